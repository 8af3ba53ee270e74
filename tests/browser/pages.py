"""A browser on a real server: Debian's Chromium, and windows that note what they were not allowed to do."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from live_server import open_server
from vgproject.enhanced_server import EnhancedRAServer

PLAYWRIGHTS = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache/ms-playwright"))
CHROMIUM = (
    shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
    or next(map(str, PLAYWRIGHTS.glob("chromium-*/chrome-linux*/chrome")), None)
)
"""The machine's, or the one that Playwright has installed."""
PATIENCE_MS = 60_000
"""What a browser and a server may take for one thing on a busy machine."""
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Window:
    """``complaints`` are errors of the page, what its policy forbade, and requests to anywhere but its server."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("tab", name=name)

    async def open_panel(self, name: str) -> None:
        """Where there is no room for its tab, it is under "More"."""
        if not await self.tab(name).count():
            await self.tab("More").click()
            await self.button(name).click()
        else:
            await self.tab(name).click()

    async def give_task(self, content: str) -> None:
        await self.page.get_by_label("Your task").fill(content)
        await self.page.keyboard.press("Enter")

    async def wait_for_end(self) -> None:
        await self.page.get_by_label("The task is done").wait_for()

    async def violations(self) -> list[str]:
        """What axe finds wrong for people who see, hear or move otherwise."""
        results = await Axe().run(self.page)
        return [f"{one['id']}: {node['html']}" for one in results.response["violations"] for node in one["nodes"]]

    async def articles(self) -> list[str]:
        """All rows of the timeline as text; the window must be high enough for them."""
        return await self.page.locator("[role=feed] article").all_inner_texts()


@dataclass
class Site:
    """A browser and the server whose page it shows."""

    url: str
    server: EnhancedRAServer
    browser: Browser

    @property
    def link(self) -> str:
        """As `vgproject serve` prints it."""
        assert self.server.authenticator is not None
        return f"{self.url}/sign-in?code={self.server.authenticator.new_code()}"

    @asynccontextmanager
    async def window(
        self, *, phone: bool = False, dark: bool = False, height: int | None = None
    ) -> AsyncIterator[Window]:
        size = PHONE if phone else DESKTOP
        context = await self.browser.new_context(
            viewport={"width": size["width"], "height": height or size["height"]},
            has_touch=phone,
            is_mobile=phone,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        window = Window(await context.new_page())
        window.page.on("console", lambda said: window.complaints.append(said.text) if said.type == "error" else None)
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        window.page.on("request", lambda request: self._watch(window, request.url))
        try:
            yield window
        finally:
            await context.close()

    def _watch(self, window: Window, requested: str) -> None:
        parts = urlsplit(requested)
        if parts.scheme != "data" and parts.netloc != urlsplit(self.url).netloc:
            window.complaints.append(f"It asked for {requested}")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        # Chromium's own sandbox does not work for root.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_site(tmp_path: Path, **options: Any) -> AsyncIterator[Site]:
    async with open_server(tmp_path, **options) as (url, server), open_browser() as browser:
        yield Site(url, server, browser)
