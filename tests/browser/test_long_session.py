"""A session with ten thousand events in a real browser; the log is made up, everything else is real."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.made_up_log import made_up_log
from playwright.async_api import WebSocketRoute, expect

from browser.pages import CHROMIUM, open_site

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN")
TURNS = 2500
LAST = "The last word."
WELCOME = {"type": "welcome", "server_version": "1", "protocol": "vgproject.v1", "user": "owner", "role": "owner"}


def tell(socket: WebSocketRoute, events: list[dict[str, Any]]) -> None:
    """As the server does: in frames of many events."""
    head = {"type": "subscribed", "session_id": "ses_1", "recovered": True, "epoch": "epo_1", "head_seq": len(events)}

    def answer(message: str | bytes) -> None:
        if json.loads(message)["type"] == "subscribe":
            socket.send(json.dumps(head))
            for start in range(0, len(events), 250):
                socket.send(json.dumps(events[start : start + 250]))

    socket.on_message(answer)
    socket.send(json.dumps(WELCOME))


async def test_ten_thousand_events_open_at_their_end_with_few_rows_and_scroll_as_the_person_wishes(
    tmp_path: Path,
) -> None:
    events = made_up_log(TURNS, last=LAST)
    async with open_site(tmp_path) as site, site.window() as window:
        page = window.page
        await page.goto(site.link)
        await page.route_web_socket("**/v1/ws", lambda socket: tell(socket, events))
        await page.goto(f"{site.url}/sessions/ses_1")
        last, first = page.get_by_text("The last word."), page.get_by_text("Go on for long").last
        await expect(last).to_be_in_viewport(timeout=20_000)
        assert await page.locator("article").count() < 60
        assert await page.locator("article").last.get_attribute("aria-setsize") == str(2 + 2 * TURNS)

        await page.get_by_label("Timeline").focus()
        await page.keyboard.press("Home")
        await expect(first).to_be_in_viewport()
        await expect(last).not_to_be_attached()
        await window.button("Jump to the end").click()
        await expect(last).to_be_in_viewport()
        await expect(window.button("Jump to the end")).not_to_be_visible()
        assert window.complaints == []
