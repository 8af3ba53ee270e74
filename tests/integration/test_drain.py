"""The end of a server that is busy: everybody is told, nothing is lost, and it goes on after the next start."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from live_server import ENDS, HEADERS, frames, open_server, open_websocket, receive, running_server, send
from sample import call, script, write_script

COMMAND = "echo begun | tee -a $HOME/runs; while [ ! -e $HOME/go ]; do sleep 0.02; done"
CLIENTS = 20


async def until_closed(websocket: ClientConnection) -> tuple[list[str], int | None]:
    """The types of what came, and the close code."""
    types = []
    with suppress(ConnectionClosedError):
        async for frame in frames(websocket):
            types.append(frame["type"])
    return types, websocket.close_code


async def until_ended(client: httpx.AsyncClient, path: str, begun: asyncio.Event) -> list[int]:
    """The seqs of a stream that the server ends."""
    seqs = []
    async with client.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            begun.set()
            if line.startswith("id: "):
                seqs.append(int(line[4:]))
    return seqs


async def test_a_busy_server_tells_everybody_ends_in_order_and_its_task_goes_on(tmp_path: Path) -> None:
    implementation = script()["phases"]["implementation"]
    implementation.insert(1, {"tool_calls": [call("run_command", command=COMMAND)]})
    options: dict[str, Any] = {"model": write_script(tmp_path, script(implementation=implementation))}
    limits = {"grace_seconds": 20}
    body, uploading = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        command = json.dumps({"type": "task", "content": "Another"}).encode()
        yield command[:5]
        uploading.set()
        await body.wait()
        yield command[5:]

    async with (
        httpx.AsyncClient(headers=HEADERS, timeout=100) as client,
        open_server(tmp_path, **options, limits=limits) as (url, server),
        asyncio.TaskGroup() as group,
    ):
        client.base_url = httpx.URL(url)
        websockets = [await open_websocket(url) for _ in range(CLIENTS)]
        await send(websockets[0], type="task", content="Make the failing test pass")
        session_id = (await receive(websockets[0], "tool_output_delta"))[-1]["session_id"]
        for websocket in websockets[1:]:
            await send(websocket, type="subscribe", session_id=session_id)
        place = tmp_path / "home" / "workspaces" / session_id / "home"
        streaming, path = asyncio.Event(), f"/v1/sessions/{session_id}/commands"
        stream = group.create_task(until_ended(client, f"/v1/sessions/{session_id}/events", streaming))
        upload = group.create_task(client.post(path, content=slowly(), headers={"Content-Type": "application/json"}))
        await streaming.wait()
        await uploading.wait()
        watching = [group.create_task(until_closed(websocket)) for websocket in websockets[1:]]
        server.stop()
        await receive(websockets[0], "server_draining")
        ready = await client.get("/readyz")
        alive = await client.get("/livez")
        await send(websockets[0], type="task", id="late", session_id=session_id, content="Too late")
        refused = (await receive(websockets[0], "error"))[-1]
        body.set()
        refused_upload = await upload
        (place / "go").touch()
        _, code = await until_closed(websockets[0])
        seen = await asyncio.gather(*watching)
        streamed = await stream
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert alive.status_code == 200
    assert (refused["id"], refused["data"]["code"]) == ("late", "draining")
    assert (refused_upload.status_code, refused_upload.json()["code"]) == (503, "draining")
    assert code == 4000
    assert [code for _, code in seen] == [4000] * (CLIENTS - 1)
    assert all("server_draining" in types for types, _ in seen)
    assert streamed == list(range(1, len(streamed) + 1))
    async with running_server(tmp_path, **options) as url, open_websocket(url) as websocket:
        await send(websocket, type="subscribe", session_id=session_id)
        log = [frame for frame in await receive(websocket, *ENDS) if "seq" in frame]
    assert log[-1]["type"] == "task_completed"
    assert [event["type"] for event in log].count("recovery_decision_requested") == 0
    assert [event["type"] for event in log].count("task_queued") == 1
    assert (place / "runs").read_text() == "begun\n"
