"""A browser on a real server: Debian's Chromium, and a page that tells what it was not allowed to do."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from live_server import TOKEN

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visit:
    """One browser window; ``complaints`` are the page's errors, and requests to anywhere but its server."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # The sandbox of Chromium does not work for root, as which CI runs.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(
    browser: Browser, url: str, *, phone: bool = False, dark: bool = False, signed_in: bool = True, **options: Any
) -> AsyncIterator[Visit]:
    context = await browser.new_context(
        viewport=PHONE if phone else DESKTOP,
        has_touch=phone,
        is_mobile=phone,
        color_scheme="dark" if dark else "light",
        **options,
    )
    context.set_default_timeout(20_000)
    page = await context.new_page()
    one = Visit(page, context)
    page.on("console", lambda message: one.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: one.complaints.append(str(error)))
    page.on("request", lambda request: _watch(one, request.url, url))
    try:
        yield one
    finally:
        await context.close()


def _watch(one: Visit, requested: str, url: str) -> None:
    parts = urlsplit(requested)
    if parts.scheme != "data" and parts.netloc != urlsplit(url).netloc:
        one.complaints.append(f"It asked for {requested}")


async def sign_in(one: Visit, url: str, code: str) -> None:
    await one.page.goto(f"{url}/sign-in?code={code}")


__all__ = ["CHROMIUM", "DESKTOP", "PHONE", "TOKEN", "Visit", "open_browser", "sign_in", "visit"]
