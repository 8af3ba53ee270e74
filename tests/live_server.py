"""A server on a real socket in this process, and an ordinary client of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from sample import make_project, script, write_script
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer

TOKEN = "a-token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ENDS = {"task_completed", "task_failed", "task_cancelled"}


@asynccontextmanager
async def running_server(tmp_path: Path, **options: Any) -> AsyncIterator[str]:
    """The URL of a server whose scripted model does the main job."""
    async with run_server(tmp_path, **options) as (url, _):
        yield url


@asynccontextmanager
async def run_server(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[str, EnhancedRAServer]]:
    project = tmp_path / "project"
    if not project.exists():
        make_project(project)
    given_options = {
        "home": tmp_path / "home",
        "project": project,
        "port": 0,
        "token": TOKEN,
        "approvals": "never",
        "model": write_script(tmp_path, script()),
        "engine": {"polling_seconds": 0.05},
        **options,
    }
    server = EnhancedRAServer(load_config(given_options, {"PATH": "/usr/local/bin:/usr/bin:/bin"}))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(ready.set_result, signals=False))
        url = await ready
        try:
            yield url, server
        finally:
            server.stop()
            await serving


def open_websocket(url: str, **options: Any) -> connect:
    return connect(url.replace("http", "ws") + "/v1/ws", additional_headers=HEADERS, **options)


async def frames(websocket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    async for message in websocket:
        received = json.loads(message)
        for frame in received if isinstance(received, list) else [received]:
            yield frame


async def receive(websocket: ClientConnection, *types: str) -> list[dict[str, Any]]:
    """Everything up to the first frame of one of ``types``."""
    received = []
    async for frame in frames(websocket):
        received.append(frame)
        if frame["type"] in types:
            return received
    raise AssertionError(f"closed before {types}")


async def send(websocket: ClientConnection, **command: Any) -> None:
    await websocket.send(json.dumps(command))
