"""How soon a killed server goes on with its task, and a cancelled task falls silent."""

import asyncio
import json
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection

from benchmarks.figures import Figure, percentile
from benchmarks.server import HEADERS, frames_of, serving, write_script

RUNS = 5
SLEEP = {"command": "sleep 600 & sleep 600", "timeout_seconds": 600}


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        recovered = [await _recover(directory / f"recover-{number}") for number in range(RUNS)]
        cancelled = await _cancel(directory / "cancel")
    return [
        Figure("start after SIGKILL until task_recovered is stored, p50", percentile(recovered, 0.5), "s", 3),
        Figure("cancel until no process of the command is left, p50", percentile(cancelled, 0.5), "s", 1),
    ]


def _script(directory: Path) -> str:
    """An implementation that lasts: it runs a command with a child."""
    notes = {"notes": "Wait.", "needs_implementation": True}
    plan = {"summary": "Wait.", "steps": [{"id": "1", "title": "Wait", "description": "Wait."}]}
    calls = {
        "research": {"tool": "submit_research", "arguments": notes},
        "planning": {"tool": "submit_plan", "arguments": plan},
        "implementation": {"tool": "run_command", "arguments": SLEEP},
    }
    return write_script(directory, {phase: [{"tool_calls": [call]}] for phase, call in calls.items()})


async def _recover(directory: Path) -> float:
    model = _script(directory)
    with serving(directory, model=model) as server:
        session_id = await _start_command(server.url)
        server.signal(signal.SIGKILL)
    began = time.perf_counter()
    with serving(directory, model=model) as server:
        while not await _events(server.url, session_id, "task_recovered"):
            await asyncio.sleep(0.01)
        return time.perf_counter() - began


async def _cancel(directory: Path) -> list[float]:
    waits: list[float] = []
    with serving(directory, model=_script(directory)) as server:
        for _ in range(RUNS):
            async with server.websocket() as websocket:
                await websocket.send(json.dumps({"type": "task", "content": "Look"}))
                session_id = await _session_with(websocket, "tool_started", "run_command")
                while not _sleeping():
                    await asyncio.sleep(0.01)
                began = time.perf_counter()
                await websocket.send(json.dumps({"type": "cancel", "session_id": session_id}))
                await _session_with(websocket, "task_cancelled")
                while _sleeping():
                    await asyncio.sleep(0.005)
                waits.append(time.perf_counter() - began)
    return waits


async def _session_with(websocket: ClientConnection, type_: str, tool: str | None = None) -> str:
    """The session whose event of this type comes next."""
    async for message in websocket:
        for frame in frames_of(message):
            if frame["type"] == type_ and frame["data"].get("tool") == tool:
                return str(frame["session_id"])
    raise AssertionError("the connection ended")


async def _start_command(url: str) -> str:
    async with httpx.AsyncClient(base_url=url, headers=HEADERS) as http:
        session_id = str((await http.post("/v1/sessions", json={})).raise_for_status().json()["session_id"])
        (await http.post(f"/v1/sessions/{session_id}/tasks", json={"content": "Look"})).raise_for_status()
    while not await _events(url, session_id, "tool_started"):
        await asyncio.sleep(0.01)
    return session_id


async def _events(url: str, session_id: str, type_: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(base_url=url, headers=HEADERS) as http:
        page = (await http.get(f"/v1/sessions/{session_id}/events")).raise_for_status().json()
    return [event for event in page["events"] if event["type"] == type_]


def _sleeping() -> list[int]:
    """The processes of the command above."""
    found: list[int] = []
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and (place / "cmdline").read_bytes() == b"sleep\x00600\x00":
                found.append(int(place.name))
        except OSError:
            continue
    return found
