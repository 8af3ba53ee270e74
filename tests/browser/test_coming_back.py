"""The page after the connection or the server was gone: it says so, and ends as one that was there all the time."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from benchmarks.made_up_log import made_up_log
from playwright.async_api import WebSocketRoute, expect

from browser.pages import CHROMIUM, Site, open_browser, open_site
from browser.test_long_session import LAST, TURNS, WELCOME
from live_server import open_server
from sample import call, script, write_script

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: NO BROWSER TEST IS RUN"),
    pytest.mark.timeout(180),
]


async def test_a_server_that_is_started_again_in_the_middle_ends_with_the_same_page(tmp_path: Path) -> None:
    research = [
        {"text": "Word by word. " * 20, "chunk_size": 4, "token_delay_ms": 40, "tool_calls": [call("list_files")]},
        {"tool_calls": [call("submit_research", notes="`add` subtracts.")]},
    ]
    model = write_script(tmp_path / "model", script(research=research))
    async with open_browser() as browser, AsyncExitStack() as first:
        url, server = await first.enter_async_context(open_server(tmp_path, model=model))
        site = Site(url, server, browser)
        async with site.window(height=5000) as there:
            await there.page.goto(site.link)
            await there.give_task("Make the failing test pass")
            await there.page.locator("[data-live=message]").wait_for()
            await first.aclose()
            await expect(there.page.get_by_role("status")).to_contain_text("The connection is lost")
            async with open_server(tmp_path, model=model, port=int(url.rpartition(":")[2])) as (_, again):
                await there.wait_for_end()
                await expect(there.page.get_by_text("Word by word.")).to_have_count(1)
                async with Site(url, again, browser).window(height=5000) as later:
                    await later.page.goto(Site(url, again, browser).link)
                    await later.page.goto(there.page.url)
                    await later.wait_for_end()
                    assert await there.articles() == await later.articles()
                    assert await there.page.locator("[data-live]").count() == 0


async def test_a_banner_says_how_much_is_being_caught_up(tmp_path: Path) -> None:
    events = made_up_log(TURNS, last=LAST)[:3000]
    sockets: list[WebSocketRoute] = []

    def tell(socket: WebSocketRoute) -> None:
        about = {"session_id": "ses_1", "epoch": "epo_1", "recovered": True, "head_seq": len(events)}

        def answer(message: str | bytes) -> None:
            if json.loads(message)["type"] != "subscribe":
                return
            socket.send(json.dumps({"type": "subscribed", **about}))
            socket.send(json.dumps(events[:1000]))
            sockets.append(socket)

        socket.on_message(answer)
        socket.send(json.dumps(WELCOME))

    async with open_site(tmp_path) as site, site.window() as window:
        await window.page.goto(site.link)
        await window.page.route_web_socket("**/v1/ws", tell)
        await window.page.goto(f"{site.url}/sessions/ses_1")
        banner = window.page.get_by_text("Catching up: 1000 of 3000 events.")
        await expect(banner).to_be_visible()
        sockets[-1].send(json.dumps(events[1000:]))
        await expect(banner).to_have_count(0)
        await expect(window.page.locator("article").last).to_be_in_viewport()
        assert window.complaints == []
