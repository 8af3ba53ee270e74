"""A long session is opened at its end in a real browser; the log is made up, the server's two ways to read it are played."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from benchmarks.made_up_log import made_up_log
from playwright.async_api import Page, Route, WebSocketRoute, expect

from browser.pages import CHROMIUM, open_site
from browser.test_long_session import LAST, TURNS, WELCOME

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN")
EVENTS = made_up_log(TURNS, last=LAST)
STANDS = {"session_created", "task_queued", "task_started"}


def tell(socket: WebSocketRoute) -> None:
    def answer(message: str | bytes) -> None:
        command = json.loads(message)
        if command["type"] != "subscribe":
            return
        about = {"session_id": "ses_1", "epoch": "epo_1"}
        first = command["after"] + 1 if "after" in command else len(EVENTS) - command["last"] + 1
        subscribed = {"type": "subscribed", **about, "recovered": True, "head_seq": len(EVENTS), "from_seq": first}
        standing = [event for event in EVENTS[: first - 1] if event["type"] in STANDS]
        for frame in (subscribed, {"type": "snapshot", "session": about, "standing": standing}, EVENTS[first - 1 :]):
            socket.send(json.dumps(frame))

    socket.on_message(answer)
    socket.send(json.dumps(WELCOME))


async def page_before(route: Route) -> None:
    query = parse_qs(urlparse(route.request.url).query)
    before, limit = int(query["before"][0]), int(query["limit"][0])
    await route.fulfill(json={"events": EVENTS[max(0, before - 1 - limit) : before - 1], "head_seq": len(EVENTS)})


async def open_session(page: Page, url: str) -> None:
    await page.route_web_socket("**/v1/ws", tell)
    await page.route("**/v1/sessions/ses_1/events?before=*", page_before)
    await page.goto(url)


async def test_older_events_come_when_the_top_is_reached_and_what_is_seen_stays_where_it_is(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await open_session(page, f"{site.url}/sessions/ses_1")
        await expect(page.get_by_text("The last word.")).to_be_in_viewport(timeout=20_000)
        await expect(page.get_by_role("heading", name="Long", exact=True)).to_be_visible()
        rows = page.locator("article")
        await expect(rows.last).to_have_attribute("aria-setsize", "250")

        await page.get_by_label("Timeline").focus()
        top = rows.filter(has_text=f"Turn {(len(EVENTS) - 500) // 4 + 1}:")
        await page.keyboard.press("Home")
        await expect(rows.first).to_have_attribute("aria-setsize", "500")
        await expect(top).to_be_in_viewport()

        await page.goto(f"{site.url}/sessions/ses_1/events/40")
        await expect(page.get_by_text("Turn 10:", exact=False).first).to_be_in_viewport(timeout=20_000)
        assert window.complaints == []
