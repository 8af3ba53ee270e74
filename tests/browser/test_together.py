"""Several people in one session on the page: they see each other and the same, remark on it, and take turns."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, WebSocketRoute, expect

from browser.pages import CHROMIUM, Site, Window, open_site
from browser.test_people import make_token, sign_in
from live_server import frames, open_websocket, send
from sample import call, script, write_script

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(240),
]
TASK = "Make the failing test pass"


@asynccontextmanager
async def open_two(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Site, Window, Window]]:
    """The owner's window with a session that everybody may see, and that of ada, who edits and approves."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(open_site(tmp_path, **options))
        owner = await stack.enter_async_context(site.window(height=3000))
        ada = await stack.enter_async_context(site.window(height=3000))
        await owner.page.goto(site.link)
        await sign_in(site, ada, await make_token(owner, "ada", "approver"))
        await owner.button("Back").click()
        await owner.give_task(TASK)
        await owner.page.wait_for_url("**/sessions/*")
        await owner.button("Share").click()
        await owner.page.get_by_role("button", name="Share with everybody on this server").click()
        await owner.page.get_by_label("Role of Everybody on this server").wait_for()
        await owner.page.keyboard.press("Escape")
        await ada.page.goto(owner.page.url)
        yield site, owner, ada


def waiting(tmp_path: Path) -> str:
    """A task that waits for an answer, so that it can be steered."""
    asks = [{"tool_calls": [call("ask_user", question="Which way?", choices=["left"])]}]
    return write_script(tmp_path / "model", script(research=asks))


def people_of(window: Window) -> Locator:
    return window.page.get_by_role("button", name="People:")


async def test_people_see_who_else_is_here_and_who_types(tmp_path: Path) -> None:
    async with open_two(tmp_path, model=waiting(tmp_path)) as (_, owner, ada):
        told: list[str] = []
        ada.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(str(frame))))
        await ada.page.reload()
        await expect(people_of(ada)).to_have_accessible_name("People: ada, owner here")
        await ada.page.get_by_label("A word to the agent").press_sequentially("Look at calc.py first", delay=5)
        await expect(people_of(owner)).to_have_accessible_name("People: ada (typing), owner here")
        await expect(owner.page.get_by_text("ada is typing …")).to_be_visible()
        assert sum('"typing"' in frame for frame in told) == 1
        await ada.page.keyboard.press("Enter")
        await expect(people_of(owner)).to_have_accessible_name("People: ada, owner here")
        await ada.page.close()
        await expect(people_of(owner)).to_have_count(0)
        assert owner.complaints == []


async def test_a_comment_on_an_event_or_a_step_is_there_for_the_other_and_goes_when_it_is_resolved(
    tmp_path: Path,
) -> None:
    async with open_two(tmp_path) as (_, owner, ada):
        await owner.wait_for_end()
        row = ada.page.locator("article", has_text="Checkpoint: calc.py")
        await row.hover()
        await row.get_by_role("button", name="Comment on event").click()
        await ada.page.get_by_label("Your comment").fill("Why this file?")
        await ada.page.keyboard.press("Enter")
        thread = owner.page.locator("article", has_text="Checkpoint: calc.py").get_by_label("Comments")
        await expect(thread).to_contain_text("Why this file?")
        await thread.get_by_role("button", name="Resolve the comment of ada").click()
        await expect(row.get_by_label("Comments")).to_contain_text("resolved by owner")
        await expect(thread).to_have_count(0)

        step = owner.page.get_by_label("Steps of the plan").get_by_role("listitem").first
        await step.hover()
        await step.get_by_role("button", name="Comment on the step").click()
        await owner.page.get_by_label("Your comment").fill("This one last")
        await owner.page.get_by_label("Send the comment").click()
        await expect(ada.page.get_by_label("Steps of the plan").get_by_label("Comments")).to_contain_text("owner")
        await ada.page.reload()
        steps = ada.page.get_by_label("Steps of the plan")
        await expect(steps.get_by_role("button", name="1 comment on the step")).to_be_visible()
        await expect(steps.get_by_label("Comments")).to_contain_text("This one last")
        assert owner.complaints == ada.complaints == []


async def test_control_is_asked_for_handed_over_taken_back_and_released(tmp_path: Path) -> None:
    async with open_two(tmp_path, model=waiting(tmp_path)) as (_, owner, ada):

        async def in_dialog(window: Window, button: str) -> None:
            await window.button("This session").click()
            await window.page.get_by_role("menuitem", name="People").click()
            await window.page.get_by_role("dialog").get_by_role("button", name=button).click()
            await window.page.keyboard.press("Escape")

        await in_dialog(owner, "Take control")
        await expect(ada.button("Cancel")).to_be_disabled()
        await expect(ada.button("Cancel")).to_have_attribute(
            "title", "owner holds control of this session: ask for it under People."
        )
        await expect(ada.page.get_by_label("A word to the agent")).to_have_count(0)
        await in_dialog(ada, "Ask for control")
        hand_over = owner.page.get_by_label("Control", exact=True).get_by_role("button", name="Hand over to ada")
        await hand_over.wait_for()
        assert await owner.violations() == []
        await hand_over.click()
        await expect(ada.button("Cancel")).to_be_enabled()
        await expect(people_of(ada)).to_have_accessible_name("People: ada, owner here; ada holds control")
        await expect(owner.button("Cancel")).to_be_enabled()
        await in_dialog(owner, "Take control")
        await expect(ada.button("Cancel")).to_be_disabled()
        await in_dialog(owner, "Release control")
        await ada.page.get_by_label("A word to the agent").fill("Go left")
        await ada.page.keyboard.press("Enter")
        await expect(owner.page.locator("article", has_text="Go left")).to_be_visible()


class Holding:
    """Keeps a page from events while ``held``, and lets everything else through."""

    def __init__(self) -> None:
        self.held = False
        self.sockets: list[WebSocketRoute] = []
        self._kept: list[tuple[WebSocketRoute, str | bytes]] = []

    def __call__(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        self.sockets.append(socket)

        def pass_on(message: str | bytes) -> None:
            if self.held and (isinstance(heard := json.loads(message), list) or "seq" in heard):
                self._kept.append((socket, message))
            else:
                socket.send(message)

        server.on_message(pass_on)

    def let_go(self) -> None:
        self.held = False
        for socket, message in self._kept:
            socket.send(message)


async def test_of_two_who_approve_at_once_the_second_is_told_who_did(tmp_path: Path) -> None:
    async with open_two(tmp_path, approvals="always") as (_, owner, ada):
        holding = Holding()
        await ada.page.route_web_socket("**/v1/ws", holding)
        await ada.page.reload()
        asked = "Edit: may the agent do this?"
        await ada.page.get_by_role("heading", name=asked).wait_for()
        holding.held = True
        await owner.button("Approve for this session").click()
        await owner.page.get_by_role("heading", name="Run: may the agent do this?").wait_for()
        await ada.button("Approve").click()
        await expect(ada.button("Approve")).to_be_enabled()  # The answer has come, and is nothing to complain of.
        await expect(ada.page.get_by_role("alert")).to_have_count(0)
        holding.let_go()
        await expect(ada.page.get_by_text("approved for the session by owner")).to_be_visible()
        await expect(ada.page.get_by_role("heading", name=asked)).to_have_count(0)

        await owner.page.get_by_role("button", name="approved for the session").click()
        given = owner.page.get_by_role("dialog").get_by_label("Approved for the session")
        await given.get_by_role("button", name="Withdraw what owner approved").click()
        await expect(given).to_have_count(0)
        await expect(ada.page.get_by_text("approved, withdrawn by owner")).to_be_visible()


async def test_two_browsers_and_a_terminal_see_the_same_in_the_same_order(tmp_path: Path) -> None:
    async with open_two(tmp_path, model=waiting(tmp_path)) as (site, owner, ada), open_websocket(site.url) as terminal:
        seqs: list[int] = []
        said: list[str] = []
        await send(terminal, type="subscribe", session_id=owner.page.url.rpartition("/")[2])

        async def read() -> None:
            async for frame in frames(terminal):
                if "seq" in frame:
                    seqs.append(frame["seq"])
                if frame["type"] == "user_message":
                    said.append(frame["data"]["text"])
                if len(said) == 10:
                    return

        async def talk(window: Window) -> None:
            name = "owner" if window is owner else "ada"
            for number in range(5):
                await window.page.get_by_label("A word to the agent").fill(f"{name}: word {number}")
                await window.page.keyboard.press("Enter")
                await expect(window.page.get_by_label("A word to the agent")).to_have_value("")

        await asyncio.gather(read(), talk(owner), talk(ada))
        assert seqs == list(range(1, len(seqs) + 1))
        for window in (owner, ada):
            rows = window.page.locator("article", has_text=": word ").locator("p:first-child")
            await expect(rows).to_have_text(said)
            await expect(window.page.locator("article", has_text=": word ")).to_have_count(10)
        assert _without_clocks(await owner.articles()) == _without_clocks(await ada.articles())


def _without_clocks(articles: list[str]) -> list[str]:
    """The call that waits for an answer shows for how long."""
    return [re.sub(r"\n[\d.]+ s(?=\n)", "", article) for article in articles]


@pytest.mark.parametrize(
    ("phone", "dark"),
    [(False, False), (False, True), (True, False), (True, True)],
    ids=["desktop-light", "desktop-dark", "phone-light", "phone-dark"],
)
async def test_people_and_comments_are_for_everybody(tmp_path: Path, *, phone: bool, dark: bool) -> None:
    async with (
        open_site(tmp_path, model=waiting(tmp_path)) as site,
        site.window(phone=phone, dark=dark) as window,
    ):
        page = window.page
        await page.goto(site.link)
        await window.give_task(TASK)
        await page.get_by_role("heading", name="The agent asks").wait_for()
        await page.get_by_role("button", name="Comment on event").last.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Your comment")).to_be_focused()
        await page.keyboard.type("Look here")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Comments")).to_contain_text("Look here")
        assert await window.violations() == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_label("Your comment")).to_have_count(0)
        await window.button("This session").click()
        await page.get_by_role("menuitem", name="People").click()
        await page.get_by_role("dialog").get_by_role("button", name="Take control").click()
        await page.get_by_role("dialog").get_by_text("You hold control").wait_for()
        assert await window.violations() == []
        await page.keyboard.press("Escape")
        await people_of(window).wait_for()
        assert await window.violations() == []
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert window.complaints == []
