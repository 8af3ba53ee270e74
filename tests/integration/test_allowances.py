"""What one user may do in a time and at once, over real connections, with small limits."""

import asyncio
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from house import bearer, code_of, open_house
from live_server import HEADERS, TOKEN, frames, open_websocket, receive, running_server, send
from vgproject.config import Limits
from vgproject.schema import frames as f
from vgproject.utils.ids import new_id
from vgproject.websocket_manager import MAX_BAD_FRAMES

SLOW = {"commands_per_second": 0.001}
"""In a test's time nothing flows in."""


async def answer(websocket: ClientConnection, **command: Any) -> dict[str, Any]:
    """The data of the ack, or of the error."""
    command = {"id": new_id("cmd"), **command}
    await send(websocket, **command)
    async for frame in frames(websocket):
        if frame.get("id") == command["id"]:
            return dict(frame.get("data", {}))
    raise AssertionError("closed")


async def code(websocket: ClientConnection, **command: Any) -> str:
    return str((await answer(websocket, **command)).get("code", ""))


async def closed(websocket: ClientConnection) -> tuple[int, int | None]:
    """How many errors come before the end, and its code."""
    errors = 0
    with suppress(ConnectionClosed):
        async for frame in frames(websocket):
            errors += frame["type"] == "error"
    await websocket.wait_closed()
    return errors, websocket.close_code


async def test_welcome_tells_every_limit_that_a_client_can_meet_under_its_own_name(tmp_path: Path) -> None:
    changed = {name: (default.default or 0) + 1024 for name, default in Limits.model_fields.items()}
    async with (
        running_server(tmp_path, limits={**changed, "grace_seconds": 0}) as url,
        open_websocket(url) as websocket,
    ):
        [welcome] = await receive(websocket, "welcome")
    assert welcome["limits"] == {name: changed[name] for name in f.Limits.model_fields}
    of_operators = {"grace_seconds", "wrong_tokens", "ready_seconds", "loop_delay_seconds", "loop_blocked_seconds"}
    assert Limits.model_fields.keys() - f.Limits.model_fields.keys() == of_operators


async def test_commands_are_counted_for_each_user_over_all_connections_and_requests(tmp_path: Path) -> None:
    limits = {**SLOW, "command_burst": 40}
    async with open_house(tmp_path, limits=limits) as house:
        session_id = await house.session({"editor": None, "viewer": None})
        editor = house.tokens["editor"]
        async with (
            house.websocket(editor) as first,
            house.websocket(editor) as second,
            house.websocket(house.tokens["viewer"]) as other,
        ):
            for number in range(38):
                assert not await code(second if number % 2 else first, type="unsubscribe", session_id=session_id)
            assert (await house.command(session_id, editor, type="message", content="x")).status_code == 200
            assert (await house.command(session_id, editor, type="message", content="x")).status_code == 200
            refused = await house.command(session_id, editor, type="message", content="x")
            assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
            assert int(refused.headers["Retry-After"]) * 1000 >= refused.json()["details"]["retry_after_ms"] > 0
            path = f"{house.url}/v1/sessions/{session_id}"
            tasks = await house.owner.post(f"{path}/tasks", json={"content": "x"}, headers=bearer(editor))
            assert (tasks.status_code, code_of(tasks)) == (429, "rate_limited")
            for websocket in (first, second):
                error = await answer(websocket, type="unsubscribe", session_id=session_id)
                assert (error["code"], error["retry_after_ms"] > 0) == ("rate_limited", True)
            assert not await code(other, type="unsubscribe", session_id=session_id)
            assert (await house.owner.get(path, headers=bearer(editor))).status_code == 200


async def test_pings_cost_little_and_who_is_not_known_counts_by_address(tmp_path: Path) -> None:
    async with running_server(tmp_path, limits={**SLOW, "command_burst": 1}) as url:
        address = f"{url.replace('http', 'ws')}/v1/ws"
        async with connect(address) as first, connect(address) as second, open_websocket(url) as known:
            for number in range(10):
                assert not await code(second if number % 2 else first, type="ping")
            assert await code(first, type="ping") == "rate_limited"
            assert await code(second, type="hello", token=TOKEN) == "rate_limited"
            assert not await code(known, type="ping")


async def test_who_goes_on_after_many_refusals_in_a_short_time_is_closed_with_4029(tmp_path: Path) -> None:
    async with running_server(tmp_path, limits={**SLOW, "command_burst": 1}) as url, open_websocket(url) as websocket:
        for _ in range(MAX_BAD_FRAMES + 5):
            await send(websocket, type="create_session")
        assert await closed(websocket) == (MAX_BAD_FRAMES + 1, 4029)


async def test_who_sends_many_frames_that_are_not_json_is_closed_with_4400(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        for _ in range(MAX_BAD_FRAMES + 5):
            await websocket.send("{")
        assert await closed(websocket) == (MAX_BAD_FRAMES + 1, 4400)


async def test_a_user_who_opens_too_many_connections_in_a_time_is_closed_with_4029(tmp_path: Path) -> None:
    limits = {"handshakes_per_second": 0.001, "handshake_burst": 2}
    async with open_house(tmp_path, limits=limits) as house:
        editor = house.tokens["editor"]
        for _ in range(2):
            async with house.websocket(editor) as websocket:
                assert (await receive(websocket, "welcome"))[-1]["user"] == "editor"
        async with house.websocket(editor) as websocket:
            assert await closed(websocket) == (0, 4029)
        async with house.websocket(house.tokens["viewer"]) as websocket:
            assert (await receive(websocket, "welcome"))[-1]["user"] == "viewer"
        address = f"{house.url.replace('http', 'ws')}/v1/ws"
        async with connect(address) as first, connect(address) as second, connect(address) as third:
            await receive(first, "welcome")
            await receive(second, "welcome")
            assert await closed(third) == (0, 4029)


async def test_a_connection_follows_so_much_and_no_more_until_it_lets_go_of_something(tmp_path: Path) -> None:
    limits = {"subscriptions_per_connection": 2}
    async with running_server(tmp_path, limits=limits) as url, open_websocket(url) as websocket:
        made = [(await answer(websocket, type="create_session"))["session_id"] for _ in range(3)]
        for session_id in (made[0], made[1], made[0]):
            await send(websocket, type="subscribe", session_id=session_id)
            await receive(websocket, "session_created")
        assert await code(websocket, type="subscribe", session_id=made[2]) == "too_many_subscriptions"
        assert await code(websocket, type="subscribe_memory") == "too_many_subscriptions"
        assert await code(websocket, type="task", content="Mend it") == "too_many_subscriptions"
        await answer(websocket, type="unsubscribe", session_id=made[0])
        await send(websocket, type="subscribe", session_id=made[2])
        assert (await receive(websocket, "session_created"))[-1]["session_id"] == made[2]


async def test_a_task_sent_again_on_its_connection_is_followed_once(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        for _ in range(2):
            await send(websocket, type="task", id="t", content="Mend it")
        seqs = [frame["seq"] for frame in await receive(websocket, "research_complete") if "seq" in frame]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_new_sessions_of_a_user_have_a_bound_in_an_hour_however_they_are_made(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"sessions_per_hour": 2}) as house:
        editor = bearer(house.tokens["editor"])
        async with house.websocket(house.tokens["editor"]) as websocket:
            assert "session_id" in await answer(websocket, type="create_session")
            task = {"type": "task", "id": "t", "content": "Mend it"}
            made = await answer(websocket, **task)
            assert (await answer(websocket, **task))["session_id"] == made["session_id"]
            error = await answer(websocket, type="create_session", id="c")
            assert (error["code"], 0 < error["retry_after_ms"] <= 1_800_001) == ("rate_limited", True)
        fork = f"{house.url}/v1/sessions/{made['session_id']}/fork"
        for path in (f"{house.url}/v1/sessions", fork):
            refused = await house.owner.post(path, json={}, headers=editor)
            assert (refused.status_code, code_of(refused)) == (429, "rate_limited")
        assert (await house.owner.post("/v1/sessions", json={})).status_code == 201


async def test_a_user_has_so_many_open_tasks_and_no_more_until_one_ends(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"running_tasks_per_user": 2}, approvals="always") as house:
        session_id = await house.session({"editor": None, "approver": None})
        async with house.websocket(house.tokens["editor"]) as first, house.websocket(house.tokens["editor"]) as second:
            content = {"type": "task", "content": "Mend it"}
            task = {**content, "session_id": session_id}
            given = [(first, "x"), (second, "y"), (first, "z")]
            answers = [await answer(websocket, **task, id=name) for websocket, name in given]
            assert ["task_id" in answered for answered in answers] == [True, True, False]
            assert answers[2]["code"] == "too_many_tasks"
            assert "cancel one" in answers[2]["message"]
            by_http = await house.command(
                session_id, house.tokens["editor"], type="message", content="x", delivery="queue"
            )
            assert (by_http.status_code, code_of(by_http)) == (429, "too_many_tasks")
            other = await house.command(session_id, house.tokens["approver"], **content)
            assert other.status_code == 200
            await house.command(session_id, type="cancel", task_id=answers[1]["task_id"])
            assert "task_id" in await answer(first, **task, id="z")


async def test_hello_as_somebody_else_ends_what_was_followed_before(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        mine, shared = await house.session(), await house.session({"viewer": None})
        async with house.websocket(TOKEN) as websocket:
            for session_id in (mine, shared):
                await send(websocket, type="subscribe", session_id=session_id)
                await receive(websocket, "session_created")
            assert (await answer(websocket, type="hello", token=house.tokens["viewer"]))["user"] == "viewer"
            assert await code(websocket, type="subscribe", session_id=mine) == "no_such_session"
            for session_id in (mine, shared):
                await house.command(session_id, type="update_settings", settings={"max_cost_usd": 1.0})
            assert not await code(websocket, type="subscribe", session_id=shared)
            told = await receive(websocket, "settings_updated")
            assert {frame["session_id"] for frame in told if "seq" in frame} == {shared}


async def test_hello_as_the_same_user_leaves_what_is_followed(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        session_id = (await answer(websocket, type="create_session"))["session_id"]
        await send(websocket, type="subscribe", session_id=session_id)
        await receive(websocket, "session_created")
        await answer(websocket, type="hello", token=TOKEN, client="named")
        await send(websocket, type="update_settings", session_id=session_id, settings={"max_cost_usd": 1.0})
        assert (await receive(websocket, "settings_updated"))[-1]["session_id"] == session_id


async def raw(url: str, request: bytes, *, to_the_end: bool = False) -> bytes:
    """The first line of what a server answers to these bytes."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", int(url.rpartition(":")[2])))
        sending = asyncio.create_task(loop.sock_sendall(client, request))
        answered = await loop.sock_recv(client, 4096)
        while to_the_end and await loop.sock_recv(client, 4096):
            pass
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return answered.partition(b"\r\n")[0]


LONG = b"x" * 1024 * 1024


HEADS = {
    "a long header": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %b\r\n\r\n" % LONG,
    "a header without an end": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: %b" % LONG,
    "a long path": b"GET /%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % LONG,
    "many headers": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n" % (b"X: y\r\n" * 201),
    "a WebSocket's": b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX: %b\r\n\r\n" % LONG[: 65 * 1024],
}


async def test_headers_that_are_too_large_are_answered_with_431_and_large_bodies_are_taken(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as http:
        answers = {name: await raw(url, head) for name, head in HEADS.items()}
        before = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        assert await raw(url, before + HEADS["many headers"], to_the_end=True) == b"HTTP/1.1 200 OK"
        body = json.dumps({"title": "Large"}).ljust(900_000).encode()
        as_json = {"Content-Type": "application/json", "X": "x" * 60_000}
        assert (await http.post("/v1/sessions", content=body, headers=as_json)).status_code == 201
    assert answers == dict.fromkeys(HEADS, b"HTTP/1.1 431 Request Header Fields Too Large")


async def test_more_than_one_host_or_origin_is_refused_with_400(tmp_path: Path) -> None:
    once = b"GET /livez HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
    async with running_server(tmp_path) as url:
        answers = [await raw(url, once + more + b"\r\n") for more in (b"", b"Host: evil\r\n", b"Origin: null\r\n")]
    assert answers == [b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 Bad Request"]
