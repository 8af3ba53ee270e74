"""The page by keyboard alone, and what one looks for in a session or takes out of it."""

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from browser.pages import CHROMIUM, Window, open_site
from browser.test_older_events import EVENTS, open_session

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(240),
]
TASK = "Make the failing test pass"


async def type_into_palette(page: Page, words: str) -> None:
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="What do you want to do?")).to_be_focused()
    await page.keyboard.type(words)


async def do(page: Page, words: str) -> None:
    await type_into_palette(page, words)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="All that can be done")).not_to_be_visible()


async def test_a_task_is_started_approved_and_looked_at_by_keyboard_alone(tmp_path: Path) -> None:
    async with open_site(tmp_path, approvals="always") as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await page.get_by_label("Your task").wait_for()
        await do(page, "settings")
        await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        await do(page, "new task")
        await expect(page.get_by_label("Your task")).to_be_focused()
        await page.keyboard.type(f"{TASK}?")  # The key of the sheet, and those of the panels, are letters here.
        await page.keyboard.press("Enter")
        for heading in ("Edit", "Run"):
            await page.get_by_role("heading", name=f"{heading}: may the agent do this?").wait_for()
            await page.locator("body").press("a")
            await expect(window.button("Approve")).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", name=f"{heading}: may the agent do this?")).not_to_be_visible()
        await window.wait_for_end()
        await page.locator("body").press("2")
        await expect(page.get_by_role("group", name="Changes of calc.py")).to_contain_text("return a + b")
        session = page.url
        await page.locator("body").press("n")
        await expect(page.get_by_label("Your task")).to_be_focused()
        await do(page, "failing test")
        await expect(page).to_have_url(session)
        assert window.complaints == []


async def test_the_palette_gives_the_focus_back_and_the_sheet_names_the_keys_that_work(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        task = page.get_by_label("Your task")
        await task.focus()
        await type_into_palette(page, "theme:")
        await expect(page.get_by_role("option")).to_contain_text(
            ["Theme: light", "Theme: dark", "Theme: as the system"]
        )
        await page.keyboard.press("ArrowDown")
        assert await window.violations() == []
        await page.keyboard.press("Escape")
        await expect(task).to_be_focused()
        await type_into_palette(page, "theme:")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")

        await window.button("Settings").or_(page.get_by_role("link", name="Settings")).focus()
        await page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keys")
        await expect(sheet.get_by_text("New task")).to_be_visible()
        assert await window.violations() == []
        await sheet.get_by_role("checkbox").press("Space")
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await page.keyboard.press("Control+k")  # Still works, and so the key before it has done nothing.
        await expect(page.get_by_role("combobox", name="What do you want to do?")).to_be_focused()
        await expect(sheet).not_to_be_visible()
        assert window.complaints == []


async def test_text_is_found_in_a_long_timeline_also_before_what_is_loaded(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await open_session(page, f"{site.url}/sessions/ses_1")
        await expect(page.get_by_text("The last word.")).to_be_in_viewport(timeout=20_000)
        await page.locator("body").press("/")
        field, count = page.get_by_label("Find in the timeline"), page.get_by_role("search").get_by_role("status")
        await expect(field).to_be_focused()
        await page.keyboard.type("turn 24")
        await expect(count).to_have_text("100 of 100")
        await expect(page.get_by_text("Turn 2499:")).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await expect(count).to_have_text("99 of 100")
        await expect(page.get_by_text("Turn 2498:")).to_be_in_viewport()
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.press("Shift+Enter")
        await expect(page.get_by_text("Turn 2400:")).to_be_in_viewport()

        await field.fill("turn 7:")
        await expect(count).to_have_text("Not found")
        await page.get_by_role("button", name="events before").click()
        await expect(count).to_have_text("1 of 1")
        await expect(page.get_by_text("Turn 7:")).to_be_in_viewport()
        assert await window.violations() == []
        assert window.complaints == []


async def test_a_timeline_is_narrowed_to_kinds_and_stays_so_in_this_browser(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        edited = page.locator("article", has_text="calc.py").filter(has_text="Edit")
        await do(page, "search the timeline")
        await window.button("Messages").click()
        await expect(edited).to_have_count(0)
        await expect(page.locator("article", has_text=TASK)).to_be_visible()
        await page.reload()
        await expect(window.button("Messages")).to_have_attribute("aria-pressed", "true")
        await expect(edited).to_have_count(0)
        await window.button("Files").click()
        await expect(edited).to_be_visible()
        await window.button("Show all and close the search").click()
        await expect(page.get_by_role("search")).not_to_be_visible()
        assert window.complaints == []


async def test_commands_and_files_are_offered_and_done_where_one_writes(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        await page.locator("body").press("c")
        await page.keyboard.type("/resear")
        await expect(page.get_by_role("option")).to_have_text(["/research-only TASKAn answer; nothing is changed"])
        assert await window.violations() == []
        await page.keyboard.press("Enter")
        await page.keyboard.type("How does @cal")
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("Your task")).to_have_value("/research-only How does calc.py ")
        await page.keyboard.press("Enter")
        await expect(page.locator("article", has_text="Research only")).to_contain_text("How does calc.py")
        await expect(page.get_by_label("The task is done")).to_have_count(2)

        await page.get_by_label("Your task").fill("/stop")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("/stop is not for now: the task is completed.")
        await page.get_by_label("Your task").fill("/rewind 3")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Rewind to event 3?")).to_be_visible()
        assert window.complaints == []


AWAY = """
window.Notification = class {
  static permission = "default";
  static requestPermission = async () => (this.permission = "granted");
  constructor(title, { body }) { window.tell(`${title}: ${body}`); }
};
Object.defineProperty(document, "hidden", { get: () => Boolean(window.isAway) });
"""


async def test_who_turned_notifications_on_is_told_what_happens_while_away_and_only_then(tmp_path: Path) -> None:
    async with open_site(tmp_path, approvals="always") as site, site.window() as window:
        page = window.page
        told: asyncio.Queue[str] = asyncio.Queue()
        await page.expose_function("tell", told.put_nowait)
        await page.add_init_script(AWAY)
        await page.goto(site.link)
        await page.get_by_label("Your task").wait_for()
        await do(page, "notifications: turn on")
        await window.give_task(TASK)
        await page.get_by_role("heading", name="Edit: may the agent do this?").wait_for()
        await expect(page).to_have_title("(1) vgPROJECT")
        assert told.empty()
        await page.evaluate("window.isAway = true")
        await window.button("Approve").click()
        assert await told.get() == f"{TASK}: It needs you."
        await window.button("Approve").click()
        assert await told.get() == f"{TASK}: The task is done."


async def saved(window: Window, words: str) -> str:
    page = window.page
    await do(page, "export")
    await page.get_by_role("dialog").get_by_text(words, exact=True).click()
    async with page.expect_download() as download:
        await window.button("Download").click()
    await page.keyboard.press("Escape")
    return (await (await download.value).path()).read_text()


async def test_an_export_is_the_whole_log_and_a_text_of_it(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        lines = (await saved(window, "JSON lines")).splitlines()
        path = page.url.removeprefix(f"{site.url}/sessions/")
        log = await (await page.request.get(f"{site.url}/v1/sessions/{path}/events?limit=5000")).json()
        assert [json.loads(line) for line in lines] == log["events"]
        text = await saved(window, "Markdown")
        assert text.startswith("# ")
        assert f"## Task\n\n{TASK}\n" in text
        assert all(word in text for word in ("### Research", "edit_file", "a + b", "**Result**"))
        assert window.complaints == []


async def test_an_export_has_what_the_page_has_not_loaded_page_by_page(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)

        async def page_after(route: Route) -> None:
            after = int(route.request.url.split("after=")[1].split("&")[0])
            about = {"head_seq": len(EVENTS), "epoch": "epo_1"}
            await route.fulfill(json={"events": EVENTS[after : after + 3000], **about})

        await page.route("**/v1/sessions/ses_1/events?after=*", page_after)
        await open_session(page, f"{site.url}/sessions/ses_1")
        await expect(page.get_by_text("The last word.")).to_be_in_viewport(timeout=20_000)
        assert [json.loads(line)["seq"] for line in (await saved(window, "JSON lines")).splitlines()] == [
            event["seq"] for event in EVENTS
        ]
