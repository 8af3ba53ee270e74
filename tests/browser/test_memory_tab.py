"""The memory as people see and change it on the page."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import WebSocketRoute, expect

from browser.pages import CHROMIUM, Site, Window, open_site
from live_server import HEADERS
from sample import call, script, write_script

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(180),
]
TASK = "Make the failing test of calc pass"
FACT = "calc.add is called from the shop's till."


async def remember(site: Site, content: str, **fields: Any) -> None:
    async with httpx.AsyncClient(base_url=site.url, headers=HEADERS, timeout=60) as http:
        answer = await http.post("/v1/memory", json={"content": content, **fields})
        assert answer.status_code == 201, answer.text


async def told(site: Site, window: Window) -> str:
    """All that the session's models were sent."""
    async with httpx.AsyncClient(base_url=site.url, headers=HEADERS, timeout=60) as http:
        return (await http.get(f"/v1/sessions/{window.page.url.rpartition('/')[2]}/turns")).text


async def begin(site: Site, window: Window) -> None:
    await window.page.goto(site.link)
    await window.give_task(TASK)


def asking(tmp_path: Path) -> str:
    """A model that waits for an answer in research."""
    research = [
        {"tool_calls": [call("ask_user", question="Which way?", choices=["left"])]},
        {"tool_calls": [call("submit_research", notes="`add` subtracts.", key_facts=["calc.add is wrong"])]},
    ]
    return write_script(tmp_path / "model", script(research=research))


async def test_what_is_changed_while_a_task_runs_is_in_its_next_turn_and_why_it_was_recalled_is_told(
    tmp_path: Path,
) -> None:
    async with open_site(tmp_path, model=asking(tmp_path)) as site, site.window() as window:
        page = window.page
        await remember(site, FACT, tags=["till"])
        await begin(site, window)
        await page.get_by_role("heading", name="The agent asks").wait_for()
        await window.tab("Memory").click()
        entries = page.get_by_role("list", name="Entries")
        await expect(entries).to_contain_text(FACT)
        await window.button("Edit").click()
        await page.get_by_label("What is to be known").fill("calc.add is called from the bank's vault.")
        await window.button("Save").click()
        await expect(entries).to_contain_text("version 2")
        assert "vault" not in await told(site, window)

        await window.button("left").click()
        await window.wait_for_end()
        assert "the bank's vault" in await told(site, window)
        await page.get_by_role("radio", name="This session").check(force=True)
        given = page.get_by_role("list", name="What research was given")
        await expect(given.get_by_role("listitem")).to_have_count(2)
        await expect(given).to_contain_text("Why:")
        await expect(given).to_contain_text("vault")
        await expect(page.get_by_role("list", name="Added by research")).to_contain_text("calc.add is wrong")
        assert window.complaints == []


async def test_a_stale_edit_is_shown_beside_what_was_typed(tmp_path: Path) -> None:
    def without_changes(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda frame: None if '"memory_updated"' in str(frame) else socket.send(frame))

    async with open_site(tmp_path) as site, site.window() as first, site.window() as second:
        await remember(site, FACT)
        await second.page.route_web_socket("**/v1/ws", without_changes)
        await begin(site, first)
        await first.wait_for_end()
        await second.page.goto(site.link)
        await second.page.goto(first.page.url)
        for window, text in ((second, "It is mine."), (first, "It is theirs.")):
            await window.tab("Memory").click()
            card = window.page.get_by_role("article", name=f"Fact: {FACT}")
            await card.get_by_role("button", name="Edit").click()
            await window.page.get_by_label("What is to be known").fill(text)
        await first.button("Save").click()
        await expect(first.page.get_by_role("article", name="Fact: It is theirs.")).to_be_visible()

        await second.button("Save").click()
        refused = second.page.get_by_role("alert").filter(has_text="Somebody has changed this meanwhile")
        await expect(refused).to_contain_text("It is theirs.")
        await expect(second.page.get_by_label("What is to be known")).to_have_value("It is mine.")
        await second.button("Save mine in its place").click()
        mine = first.page.get_by_role("article", name="Fact: It is mine.")
        await mine.get_by_role("button", name="History").click()
        await expect(mine.get_by_role("list", name="History").get_by_role("listitem")).to_have_count(3)
        await mine.get_by_role("button", name="Restore version 1").click()
        await expect(first.page.get_by_role("article", name=f"Fact: {FACT}")).to_contain_text("version 4")
        assert first.complaints == []


async def test_entries_are_added_searched_forgotten_and_restored(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await remember(site, "The tests are run by unittest.")
        await begin(site, window)
        await window.wait_for_end()
        await window.tab("Memory").click()
        await window.button("Add").click()
        await page.get_by_label("What is to be known").fill("The till rounds to cents.")
        await page.get_by_label("Tags").fill("till, money")
        await page.get_by_role("form", name="A new entry").get_by_label("Kind").select_option("Decision")
        await page.get_by_role("form", name="A new entry").get_by_role("button", name="Add").click()
        added = page.get_by_role("article", name="Decision: The till rounds to cents.")
        await expect(added).to_contain_text("#money")
        await page.get_by_label("Search the memory").fill("rounds cents")
        await expect(page.get_by_role("list", name="Entries").get_by_role("listitem")).to_have_count(1)
        await added.get_by_role("button", name="Forget").click()
        await added.get_by_role("button", name="Forget it").click()
        await expect(page.get_by_text("Nothing like that is known.")).to_be_visible()
        await page.get_by_label("Forgotten").check(force=True)
        await added.get_by_role("button", name="Restore").click()
        await expect(page.get_by_text("Nothing was forgotten.")).to_be_visible()

        await page.get_by_label("Yours", exact=True).check(force=True)
        await page.get_by_label("Known").check(force=True)
        await expect(page.get_by_text("Nothing is known yet.")).to_be_visible()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop-light", "phone-dark"])
async def test_a_contradiction_is_settled_on_a_page_for_everybody(tmp_path: Path, *, phone: bool, dark: bool) -> None:
    async with open_site(tmp_path) as site, site.window(phone=phone, dark=dark) as window:
        page = window.page
        await remember(site, "The till listens on port 80.")
        await remember(site, "The till listens on port 8080.")
        await begin(site, window)
        await window.wait_for_end()
        await window.open_panel("Memory")
        await page.get_by_role("article", name="port 8080").wait_for()
        assert await window.violations() == []
        await page.get_by_role("article", name="port 8080").get_by_role("button", name="Edit").click()
        assert await window.violations() == []
        await window.button("Cancel").click()
        await page.get_by_role("article", name="port 8080").get_by_role("button", name="History").click()
        await page.get_by_role("list", name="History").wait_for()
        assert await window.violations() == []
        await page.get_by_role("radio", name="This session").check(force=True)
        assert await window.violations() == []
        await page.get_by_label("Conflicts 1").check(force=True)
        await page.get_by_role("region", name="Conflict").wait_for()
        assert await window.violations() == []
        await window.button("Keep the second").click()
        await expect(page.get_by_text("Nothing that is known contradicts anything else.")).to_be_visible()
        await page.get_by_label("Forgotten").check(force=True)
        await expect(page.get_by_role("list", name="Forgotten entries")).to_contain_text("port 80.")
        assert window.complaints == []
