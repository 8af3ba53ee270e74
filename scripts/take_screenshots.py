"""The page as the README shows it: the demo's task where it waits for a person, in light, and done, in dark."""

import asyncio
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from vgproject.cli.demo import TASK, TEST_COMMAND, load_sample_config, make_sample
from vgproject.enhanced_server import EnhancedRAServer

IMAGES = Path("docs/images")
SIZE = {"width": 1280, "height": 800}


async def take() -> None:
    with tempfile.TemporaryDirectory(prefix="vgproject-screenshots-") as name:
        project = Path(name) / "shop"
        await make_sample(project)
        options = {
            "home": Path(name) / "home",
            "project": project,
            "port": 0,
            "model": f"scripted:{files('vgproject.cli.sample') / 'script.json'}",
            "approvals": "always",
            "test_command": TEST_COMMAND,
        }
        server = EnhancedRAServer(await load_sample_config(options))
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group, async_playwright() as playwright:
            group.create_task(server.serve(ready.set_result, signals=False))
            # Chromium's own sandbox does not work for root.
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            try:
                await _photograph(browser, server, await ready)
            finally:
                await browser.close()
                server.stop()


async def _photograph(browser: Browser, server: EnhancedRAServer, url: str) -> None:
    assert server.authenticator is not None
    context = await browser.new_context(viewport=SIZE, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{url}/sign-in?code={server.authenticator.new_code()}")
    await page.get_by_label("Your task").fill(TASK)
    await page.keyboard.press("Enter")
    approve = page.get_by_role("button", name="Approve for this session")
    await approve.click()  # The tests, which fail.
    await page.get_by_role("heading", name="Edit: may the agent do this?").wait_for()
    await page.screenshot(path=IMAGES / "page-light.png")
    await approve.click()
    await page.get_by_label("The task is done").wait_for()
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    await page.get_by_role("tab", name="Changes").click()
    await page.get_by_role("group", name="Changes of cart.py").wait_for()
    await page.screenshot(path=IMAGES / "page-dark.png")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    asyncio.run(take())
