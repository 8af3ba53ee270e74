"""What people do with a session as a whole: back to a checkpoint, another way from it, other settings, an end of it."""

from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from browser.pages import CHROMIUM, Window, open_site
from sample import call, script, write_script

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(240),
]
TASK = "Make the failing test pass"


def two_changes(tmp_path: Path) -> str:
    implementation = [
        {"tool_calls": [call("edit_file", path="calc.py", old="a - b", new="a + b")]},
        {"tool_calls": [call("write_file", path="notes.md", content="It adds.\n")]},
        {"text": "All green.", "tool_calls": [call("submit_implementation", summary="`add` adds now.")]},
    ]
    return write_script(tmp_path / "model", script(implementation=implementation))


async def choose(window: Window, menu: Locator, item: str) -> None:
    await menu.click()
    await window.page.get_by_role("menuitem", name=item).click()


async def test_a_checkpoint_is_rewound_to_and_forked_from(tmp_path: Path) -> None:
    async with open_site(tmp_path, model=two_changes(tmp_path)) as site, site.window(height=3000) as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        first = page.locator("article", has_text="Checkpoint: calc.py").get_by_role("button", name="Checkpoint")
        await choose(window, first, "Rewind to here")
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_label("Files that are set back")).to_have_text("notes.md")
        await page.keyboard.press("Escape")
        await expect(dialog).not_to_be_visible()
        await expect(first).to_be_focused()
        await choose(window, first, "Rewind to here")
        await dialog.get_by_role("button", name="Rewind", exact=True).click()
        await expect(page.locator("article", has_text="Files and conversation are back")).to_be_visible()
        await expect(page.locator("article.line-through", has_text="Checkpoint: notes.md")).to_be_visible()
        await window.tab("Changes").click()
        await expect(page.get_by_role("region", name="calc.py")).to_be_visible()
        await expect(page.get_by_role("region", name="notes.md")).to_have_count(0)

        session = page.url
        second = page.locator("article", has_text="Checkpoint: notes.md").get_by_role("button", name="Checkpoint")
        await choose(window, second, "Fork from here")
        await dialog.get_by_role("button", name="Fork", exact=True).click()
        await expect(page.get_by_text("The session goes on from another one.")).to_be_visible()
        assert page.url != session
        await window.tab("Changes").click()
        await expect(page.get_by_role("region", name="notes.md")).to_be_visible()
        assert window.complaints == []


async def test_a_session_is_renamed_set_up_anew_and_deleted(tmp_path: Path) -> None:
    async with open_site(tmp_path, model=two_changes(tmp_path)) as site, site.window() as window:
        page = window.page
        menu, dialog = page.get_by_role("button", name="This session"), page.get_by_role("dialog")
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        await choose(window, menu, "Rename")
        await dialog.get_by_label("Title").fill("The sum of it")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="The sum of it")).to_be_visible()
        await expect(page.get_by_role("navigation").get_by_text("The sum of it")).to_be_visible()

        await choose(window, menu, "Settings")
        await dialog.get_by_role("combobox", name="Approvals", exact=True).select_option("always")
        await dialog.get_by_label("USD").fill("2.5")
        await dialog.get_by_role("button", name="Save").click()
        await choose(window, menu, "Settings")
        await expect(dialog.get_by_role("combobox", name="Approvals", exact=True)).to_have_value("always")
        await expect(dialog.get_by_label("USD")).to_have_value("2.5")
        await page.keyboard.press("Escape")

        await choose(window, menu, "Delete")
        await dialog.get_by_role("button", name="Delete it", exact=True).click()
        await expect(dialog.get_by_label("Files that are not applied")).to_contain_text("notes.md")
        await dialog.get_by_role("button", name="Delete it with these changes").click()
        await expect(page.get_by_text("Your sessions will be listed here.")).to_be_visible()
        assert [one for one in window.complaints if "409" not in one] == []


async def test_a_cancelled_task_is_tried_again_from_the_phase_that_is_chosen(tmp_path: Path) -> None:
    waiting = [{"tool_calls": [call("ask_user", question="Which way?", choices=["left"])]}]
    model = write_script(tmp_path / "model", script(planning=waiting))
    async with open_site(tmp_path, model=model) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await page.get_by_role("heading", name="The agent asks").wait_for()
        await window.button("Cancel").click()
        await expect(window.button("Retry")).to_be_visible()
        await choose(window, page.get_by_role("button", name="This session"), "Retry from research")
        await expect(page.locator("article", has_text="Tried again from research, attempt 2.")).to_be_visible()
        await page.get_by_role("heading", name="The agent asks").wait_for()


@pytest.mark.parametrize(("phone", "dark"), [(False, True), (True, False)], ids=["desktop-dark", "phone-light"])
async def test_menus_and_dialogs_are_for_everybody(tmp_path: Path, *, phone: bool, dark: bool) -> None:
    async with open_site(tmp_path) as site, site.window(phone=phone, dark=dark, height=2000) as window:
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await window.wait_for_end()
        menu = page.get_by_role("button", name="This session")
        await menu.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
        assert await window.violations() == []
        await page.keyboard.press("ArrowUp")
        await expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(menu).to_be_focused()
        for item in ("Settings", "Rename", "Fork", "Delete"):
            await choose(window, menu, item)
            await page.get_by_role("dialog").wait_for()
            assert await window.violations() == []
            await page.keyboard.press("Escape")
            await expect(menu).to_be_focused()
        checkpoint = page.locator("article", has_text="Checkpoint: calc.py").get_by_role("button", name="Checkpoint")
        await choose(window, checkpoint, "Rewind to here")
        await page.get_by_role("dialog").wait_for()
        assert await window.violations() == []
        assert window.complaints == []
