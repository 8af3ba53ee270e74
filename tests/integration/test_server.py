"""The server on a real socket, spoken to by an ordinary WebSocket client."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from live_server import ENDS, HEADERS, TOKEN, open_websocket, receive, running_server, send


async def test_the_shortest_client_sees_its_task_to_the_end(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        await send(websocket, type="task", content="Make the failing test pass")
        received = await receive(websocket, *ENDS)

    assert [frame["type"] for frame in received[:2]] == ["welcome", "ack"]
    assert received[-1]["type"] == "task_completed"
    events = [frame["seq"] for frame in received if "seq" in frame]
    assert events == list(range(1, len(events) + 1))
    assert "text_delta" in {frame["type"] for frame in received}


async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url:
        async with open_websocket(url) as websocket:
            await send(websocket, type="task", id="c1", content="Make the failing test pass")
            first = await receive(websocket, "research_complete")
        session_id = first[1]["data"]["session_id"]
        async with open_websocket(url) as websocket:
            await send(
                websocket, type="subscribe", session_id=session_id, after=first[-1]["seq"], epoch=first[-1]["epoch"]
            )
            rest = await receive(websocket, *ENDS)
    seqs = [frame["seq"] for frame in [*first, *rest] if "seq" in frame]
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("cursor", [{"after": 10_000}, {"after": 1, "epoch": "another"}])
async def test_a_cursor_that_cannot_be_used_is_answered_with_a_snapshot(tmp_path: Path, cursor: dict[str, Any]) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        await send(websocket, type="create_session", id="c1")
        session_id = (await receive(websocket, "ack"))[-1]["data"]["session_id"]
        await send(websocket, type="subscribe", session_id=session_id, **cursor)
        received = await receive(websocket, "session_created")
    assert [frame["type"] for frame in received if frame["type"] != "presence"] == [
        "subscribed",
        "snapshot",
        "session_created",
    ]
    assert received[0]["recovered"] is False


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "bad_frame"),
        ("[1, 2]", "bad_frame"),
        ('{"type": "launch"}', "unknown_type"),
        ('{"type": "task"}', "invalid_command"),
        ('{"type": "task", "content": "x", "extra": 1}', "invalid_command"),
        ('{"type": "task", "content": "x", "session_id": "nowhere"}', "no_such_session"),
        ('{"type": "subscribe", "session_id": "nowhere"}', "no_such_session"),
        ('{"type": "cancel"}', "invalid_command"),
    ],
)
async def test_a_frame_that_is_not_right_is_answered_and_the_connection_stays(
    tmp_path: Path, frame: str, code: str
) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        await websocket.send(frame)
        error = (await receive(websocket, "error"))[-1]
        assert error["data"]["code"] == code
        await send(websocket, type="ping", id="p")
        assert (await receive(websocket, "pong"))[-1]["id"] == "p"


async def test_who_has_no_token_or_comes_from_elsewhere_is_kept_out(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        refused = await client.get("/v1/sessions")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        foreign = {**HEADERS, "Host": "evil.example"}
        assert (await client.get("/v1/sessions", headers=foreign)).status_code == 403
        assert (await client.get("/v1/sessions", headers={**HEADERS, "Origin": "http://evil"})).status_code == 403
        with pytest.raises(InvalidStatus):
            await connect(url.replace("http", "ws") + "/v1/ws", origin="http://evil.example")  # type: ignore[arg-type]
        async with connect(
            url.replace("http", "ws") + "/v1/ws", additional_headers={"Authorization": "Bearer wrong"}
        ) as websocket:
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401


async def test_hello_signs_in_a_client_that_cannot_set_headers(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, connect(url.replace("http", "ws") + "/v1/ws") as websocket:
        await send(websocket, type="hello", id="h", token=TOKEN, client="test")
        assert (await receive(websocket, "ack"))[-1]["data"]["role"] == "owner"


async def test_http_shows_the_session_its_events_and_its_diff(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as client:
        session = (await client.post("/v1/sessions", json={"title": "By HTTP"})).json()
        path = f"/v1/sessions/{session['session_id']}"
        assert (await client.post(f"{path}/tasks", json={"content": "Mend it"})).status_code == 202
        async with client.stream("GET", f"{path}/events", headers={"Accept": "text/event-stream"}) as stream:
            lines = stream.aiter_lines()
            while json.loads(await _next_data(lines))["type"] not in ENDS:
                pass
        page = (await client.get(f"{path}/events", params={"after": 2, "limit": 3})).json()
        assert [event["seq"] for event in page["events"]] == [3, 4, 5]
        assert "+    return a + b" in (await client.get(f"{path}/diff")).text
        assert (await client.get(path)).json()["tasks"][0]["status"] == "completed"
        missing = await client.get("/v1/sessions/nowhere")
        assert (missing.status_code, missing.json()["code"]) == (404, "no_such_session")
        assert missing.headers["content-type"] == "application/problem+json"


async def _next_data(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("the stream ended")


async def test_no_frame_breaks_the_server(tmp_path: Path) -> None:
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=10), children, max_size=3),
    )
    kinds = st.sampled_from(["task", "subscribe", "cancel", "hello", "resolve_approval", "remember", "zzz"])
    objects = st.fixed_dictionaries(
        {"type": kinds}, optional={"id": json_values, "session_id": json_values, "after": json_values}
    )
    examples: list[str | bytes] = []

    @settings(max_examples=100, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of(st.text(max_size=50), objects.map(json.dumps), json_values.map(json.dumps), st.binary()))
    def collect(frame: str | bytes) -> None:
        examples.append(frame)

    collect()
    async with running_server(tmp_path, limits={"command_burst": 1000}) as url:
        for start in range(0, len(examples), 20):
            async with open_websocket(url) as websocket:
                for frame in examples[start : start + 20]:
                    await websocket.send(frame)
                await send(websocket, type="ping")
                await receive(websocket, "pong")


async def test_no_bytes_break_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After the handshake, in the place of frames and as their text."""
    examples: list[tuple[bool, bytes]] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(st.booleans(), st.binary(min_size=1, max_size=60))
    def collect(is_text: bool, content: bytes) -> None:
        examples.append((is_text, content))

    collect()
    async with running_server(tmp_path, limits={"command_burst": 1000}) as url, open_websocket(url) as other:
        for number, (is_text, content) in enumerate(examples):
            async with open_websocket(url) as websocket:
                if is_text:
                    await websocket.send(content, text=True)
                else:
                    websocket.transport.write(content)
                await send(other, type="ping", id=f"p{number}")
                assert (await receive(other, "pong"))[-1]["id"] == f"p{number}"
                if not is_text:
                    websocket.transport.abort()
    assert "Traceback" not in caplog.text


async def test_a_session_is_given_another_title_and_its_settings_stay(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as http:
        session_id = (await http.post("/v1/sessions", json={"settings": {"max_turns": 3}})).json()["session_id"]
        path = f"/v1/sessions/{session_id}"
        renamed = (await http.patch(path, json={"title": "The till"})).json()
        assert (renamed["title"], renamed["settings"]["max_turns"]) == ("The till", 3)
        both = (await http.patch(path, json={"title": "The shop", "max_turns": 5})).json()
        assert (both["title"], both["settings"]["max_turns"]) == ("The shop", 5)
        events = (await http.get(f"{path}/events")).json()["events"]
        kinds = [event["type"] for event in events]
        assert kinds == ["session_created", "session_renamed", "session_renamed", "settings_updated"]
