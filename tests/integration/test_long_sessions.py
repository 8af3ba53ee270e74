"""A long session is opened at its end, and what came before is read when it is asked for."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection

from live_server import HEADERS, open_server, open_websocket, receive, running_server, send
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.event_log import NewEvent
from vgproject.schema.base import Actor
from vgproject.schema.events import AgentMessage, ApprovalRequested, FileChanged, TaskQueued
from vgproject.standing import in_standing

AGENT = Actor(kind="agent", id="implementation")


async def make_long(
    server: EnhancedRAServer, http: httpx.AsyncClient, *, turns: int, size: int = 10
) -> tuple[str, int]:
    """The session, and its last seq."""
    session_id = str((await http.post("/v1/sessions", json={})).json()["session_id"])
    asked = ApprovalRequested(approval_id="a", tool_call_id="c", tool="run_command", arguments={}, reason="r")
    events = [NewEvent(TaskQueued(content="Go on for long"), AGENT, task_id="t"), NewEvent(asked, AGENT, task_id="t")]
    for turn in range(turns):
        events.append(NewEvent(AgentMessage(message_id=f"m{turn}", text="x" * size), AGENT, task_id="t"))
    changed = FileChanged(path="a.py", change="modified", additions=1, deletions=0)
    events.append(NewEvent(changed, AGENT, task_id="t"))
    stored = await server.app.state.services.event_log.append(session_id, events)
    return session_id, stored[-1].seq


async def opened(websocket: ClientConnection, head: int, **command: Any) -> list[dict[str, Any]]:
    """What comes up to the event ``head``."""
    await send(websocket, type="subscribe", **command)
    received: list[dict[str, Any]] = []
    async for message in websocket:
        frames = json.loads(message)
        received += frames if isinstance(frames, list) else [frames]
        if received[-1].get("seq") == head:
            return [frame for frame in received if frame["type"] not in ("welcome", "presence")]
    raise AssertionError("closed")


async def test_the_last_events_come_at_once_after_what_stands_of_those_before_and_then_the_live_ones(
    tmp_path: Path,
) -> None:
    async with (
        open_server(tmp_path) as (url, server),
        httpx.AsyncClient(base_url=url, headers=HEADERS) as http,
        open_websocket(url) as websocket,
    ):
        session_id, head = await make_long(server, http, turns=200)
        subscribed, snapshot, *events = await opened(websocket, head, session_id=session_id, last=50)
        assert (subscribed["type"], subscribed["recovered"], subscribed["from_seq"]) == ("subscribed", True, head - 49)
        assert [event["seq"] for event in events] == list(range(head - 49, head + 1))
        assert snapshot["session"]["waiting_for"] == ["a"]
        assert [event["type"] for event in snapshot["standing"]] == [
            "session_created",
            "task_queued",
            "approval_requested",
        ]
        assert snapshot["more"] is False
        all_events = await server.app.state.services.event_log.read(session_id, after=0)
        standing = in_standing(event for event in all_events if event.seq < head - 49)
        assert snapshot["standing"] == [json.loads(event.payload) for event in standing]
        await send(websocket, type="update_settings", session_id=session_id, settings={"max_cost_usd": 1.0})
        assert (await receive(websocket, "settings_updated"))[-1]["seq"] == head + 1


async def test_more_than_there_is_is_all_of_it(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        await send(websocket, type="create_session", id="c")
        session_id = (await receive(websocket, "ack"))[-1]["data"]["session_id"]
        subscribed, created = await opened(websocket, 1, session_id=session_id, last=10_000)
    assert (subscribed["from_seq"], created["type"]) == (1, "session_created")


@pytest.mark.parametrize("cursor", [{"last": 5, "after": 1}, {"last": 0}, {"last": 10_001}])
async def test_a_number_of_last_events_that_is_not_right_is_refused(tmp_path: Path, cursor: dict[str, int]) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        await send(websocket, type="subscribe", session_id="s", **cursor)
        assert (await receive(websocket, "error"))[-1]["data"]["code"] == "invalid_command"


async def test_what_stands_comes_in_several_frames_where_it_is_much(tmp_path: Path) -> None:
    async with (
        open_server(tmp_path, limits={"connection_bytes": 256 * 1024}) as (url, server),
        httpx.AsyncClient(base_url=url, headers=HEADERS) as http,
        open_websocket(url) as websocket,
    ):
        session_id = str((await http.post("/v1/sessions", json={})).json()["session_id"])
        files = [
            FileChanged(path=f"{number}/{'x' * 200}.py", change="added", additions=1, deletions=0)
            for number in range(300)
        ]
        stored = await server.app.state.services.event_log.append(session_id, [NewEvent(file, AGENT) for file in files])
        _, *frames = await opened(websocket, stored[-1].seq, session_id=session_id, last=1)
    snapshots = [frame for frame in frames if frame["type"] == "snapshot"]
    assert [frame["more"] for frame in snapshots] == [True, True, False]
    assert [event["seq"] for frame in snapshots for event in frame["standing"]] == list(range(1, stored[-1].seq))


async def test_a_page_before_an_event_is_in_order_and_has_a_bound_in_bytes_as_one_after_has(tmp_path: Path) -> None:
    async with (
        open_server(tmp_path) as (url, server),
        httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=100) as http,
    ):
        session_id, head = await make_long(server, http, turns=300, size=60_000)

        async def page(**query: int) -> list[int]:
            answer = await http.get(f"/v1/sessions/{session_id}/events", params=query)
            assert len(answer.content) < 8 * 1024 * 1024 + 70_000
            assert (answer.json()["head_seq"], bool(answer.json()["epoch"])) == (head, True)
            return [event["seq"] for event in answer.json()["events"]]

        assert await page(before=51, limit=10) == list(range(41, 51))
        assert await page(before=3, limit=10) == [1, 2]
        assert await page(before=1, limit=10) == []
        assert await page(before=10**12, limit=2) == [head - 1, head]
        many = await page(before=head + 1, limit=5000)
        assert 100 < len(many) < head
        assert many == list(range(head + 1 - len(many), head + 1))
        first = await page(after=0, limit=5000)
        assert 100 < len(first) < head
        assert first == list(range(1, len(first) + 1))
        for query in ({"before": 3, "after": 1}, {"before": 3, "after": 0}):
            refused = await http.get(f"/v1/sessions/{session_id}/events", params=query)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
