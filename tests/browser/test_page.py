"""The web page as people use it, in a real browser on a real server."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import WebSocketRoute, expect

from browser.pages import CHROMIUM, Window, open_site
from sample import TEST_COMMAND, call, script, write_script

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(180),
]
TASK = "Make the failing test pass"


async def choose(window: Window, option: str) -> None:
    await window.button("Options").click()
    await window.page.get_by_label("Approvals").select_option(option)


async def test_the_main_job_from_the_first_visit_to_applied_changes(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.url)
        await page.get_by_label("Link, code or token").fill(site.link)
        await window.button("Sign in").click()
        await choose(window, "always")
        await window.give_task(TASK)

        await expect(page.get_by_role("heading", name="Edit: may the agent do this?")).to_be_visible()
        assert "return a - b" in (tmp_path / "project" / "calc.py").read_text()
        await window.button("Approve").click()
        await page.get_by_role("textbox", name="command", exact=True).fill(f"echo as I want it; {TEST_COMMAND}")
        await window.button("Approve with your changes").click()
        await window.wait_for_end()
        await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")

        await window.tab("Terminal").click()
        printed = page.get_by_role("complementary").get_by_role("group", name="Output")
        await expect(printed.last).to_contain_text("as I want it")
        await expect(page.get_by_text("approved, edited")).to_be_visible()
        await window.tab("Plan").click()
        await expect(page.get_by_text("1 of 1 steps done")).to_be_visible()
        await window.tab("Changes").click()
        await expect(page.get_by_role("group", name="Changes of calc.py")).to_contain_text("return a + b")
        await window.button("Apply to the project").click()
        await expect(window.button("Applied")).to_be_disabled()
        assert "return a + b" in (tmp_path / "project" / "calc.py").read_text()
        assert window.complaints == []


async def test_a_connection_lost_in_the_middle_ends_with_the_same_page(tmp_path: Path) -> None:
    slow = [{"text": f"Word by word, number {turn}. " * 8, "chunk_size": 4, "token_delay_ms": 40} for turn in range(4)]
    research = [
        *({**reply, "tool_calls": [call("read_file", path="calc.py")]} for reply in slow),
        {"tool_calls": [call("submit_research", notes="`add` subtracts.")]},
    ]
    model = write_script(tmp_path / "model", script(research=research))
    sockets: asyncio.Queue[WebSocketRoute] = asyncio.Queue()

    def cuttable(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.put_nowait(socket)

    async with (
        open_site(tmp_path, model=model) as site,
        site.window(height=5000) as cut,
        site.window(height=5000) as whole,
    ):
        await cut.page.route_web_socket("**/v1/ws", cuttable)
        await whole.page.goto(site.link)
        await cut.page.goto(site.link)
        await whole.give_task(TASK)
        await whole.page.wait_for_url("**/sessions/*")
        await cut.page.goto(whole.page.url)
        for turn in (1, 2, 3):
            await cut.page.locator("[data-live=message]", has_text=f"number {turn}").wait_for()
            socket = await sockets.get()
            await socket.close(code=4000, reason="Cut by the test.")
        for window in (cut, whole):
            await window.wait_for_end()
        assert sockets.qsize() == 1
        assert await cut.articles() == await whole.articles()
        assert await cut.page.locator("[data-live]").count() == 0


async def test_a_question_and_a_plan_are_answered_by_keyboard(tmp_path: Path) -> None:
    asking = [
        {"tool_calls": [call("ask_user", question="Which way?", choices=["left", "right"])]},
        {"tool_calls": [call("submit_research", notes="`add` subtracts.")]},
    ]
    model = write_script(tmp_path / "model", script(research=asking))
    async with open_site(tmp_path, model=model, plan_gate=True) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.button("left").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("owner answered: left")).to_be_visible()
        await page.get_by_label("Step 1", exact=True).fill("Mend add with care")
        await window.button("Follow the changed plan").focus()
        await page.keyboard.press("Enter")
        await window.wait_for_end()
        await expect(page.get_by_label("Steps of the plan")).to_contain_text("Mend add with care")


async def test_every_event_has_an_address_that_shows_it(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        session = page.url
        await page.goto(f"{session}/events/2")
        await expect(page.locator("article").filter(has_text=TASK)).to_be_in_viewport()
        await window.button("Jump to the end").click()
        await expect(page).to_have_url(session)
        await expect(page.get_by_label("The task is done")).to_be_in_viewport()


async def test_a_running_task_is_steered_and_cancelled(tmp_path: Path) -> None:
    research = [
        {"text": "On and on. " * 40, "chunk_size": 4, "token_delay_ms": 20, "tool_calls": [call("list_files")]},
        {"text": "Still. " * 400, "chunk_size": 4, "token_delay_ms": 20},
    ]
    model = write_script(tmp_path / "model", script(research=research))
    async with open_site(tmp_path, model=model) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await page.get_by_label("A word to the agent").fill("Look at calc.py")
        await page.keyboard.press("Enter")
        await expect(page.locator("article", has_text="Look at calc.py")).to_be_visible()
        await window.button("Cancel").click()
        await expect(window.button("Retry")).to_be_visible()
        await expect(page.locator("article", has_text="Cancelled.")).to_be_visible()
        await expect(page.get_by_label("Your task")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
async def test_the_page_is_for_everybody_and_keeps_to_its_policy(tmp_path: Path, *, phone: bool, dark: bool) -> None:
    code = "Like so:\n\n```python\ndef add(a, b):\n    return a + b\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    first = {"reasoning": "Hm.", "text": code, "tool_calls": [call("read_file", path="nowhere.py")]}
    model = write_script(tmp_path / "model", script(research=[first, *script()["phases"]["research"]]))
    async with open_site(tmp_path, model=model) as site, site.window(phone=phone, dark=dark) as window:
        page = window.page
        await page.goto(site.link)
        await choose(window, "always")
        assert await window.violations() == []
        await window.give_task(TASK)
        for heading in ("Edit", "Run"):
            await page.get_by_role("heading", name=f"{heading}: may the agent do this?").wait_for()
            assert await window.violations() == []
            await window.button("Approve").click()
        await window.wait_for_end()
        assert await window.violations() == []
        for tab in ("Plan", "Changes", "Terminal", "Files"):
            await window.open_panel(tab)
            await expect(page.get_by_role("tabpanel", name=tab)).to_contain_text(
                "calc" if tab != "Terminal" else "unittest"
            )
            assert await window.violations() == []
        assert await _is_as_wide_as_its_window(window)
        assert window.complaints == []


async def _is_as_wide_as_its_window(window: Window) -> bool:
    return bool(await window.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


async def test_what_the_policy_forbids_is_noticed(tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    async with open_site(tmp_path) as site, site.window() as window:
        await window.page.goto(site.link)
        await window.page.get_by_label("Your task").wait_for()
        await window.page.evaluate(
            "document.body.append(Object.assign(document.createElement('style'), {textContent: 'a{}'}))"
        )
        assert any("Content Security Policy" in complaint for complaint in window.complaints)
        await window.page.evaluate("document.querySelector('textarea').removeAttribute('aria-label')")
        await window.page.evaluate("document.querySelector('textarea').removeAttribute('placeholder')")
        assert any(violation.startswith("label:") for violation in await window.violations())


async def test_who_is_not_signed_in_is_asked_to(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        await window.page.goto(f"{site.url}/sessions/ses_1")
        await window.page.get_by_label("Link, code or token").fill("a-wrong-code")
        await window.button("Sign in").click()
        await expect(window.page.get_by_role("alert")).to_contain_text("is not of this server")
        assert await window.violations() == []
