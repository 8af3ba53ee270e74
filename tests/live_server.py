"""A server on a real socket in this process, and an ordinary client of it."""

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from databases import put_tables
from sample import make_project, script, write_script
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer

TOKEN = "a-token-for-tests"
MOST_SECONDS = float(os.environ.get("VGPROJECT_TEST_SECONDS", "150"))
"""That a server lives in one test; more for long runs, and where the machine is slow."""
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
ENDS = {"task_completed", "task_failed", "task_cancelled"}


@asynccontextmanager
async def running_server(tmp_path: Path, **options: Any) -> AsyncIterator[str]:
    """The URL of a server whose scripted model does the main job."""
    async with open_server(tmp_path, **options) as (url, _):
        yield url


@asynccontextmanager
async def open_server(tmp_path: Path, **options: Any) -> AsyncIterator[tuple[str, EnhancedRAServer]]:
    """As `running_server`, with the server itself."""
    project = tmp_path / "project"
    if not project.exists():
        make_project(project)
    given_options = {
        "home": tmp_path / "home",
        "project": project,
        "port": 0,
        "token": TOKEN,
        "approvals": "never",
        "model": options.get("model") or write_script(tmp_path, script()),
        **options,
        "memory": {"embeddings": "none", **options.get("memory", {})},
    }
    if "database_url" not in options:
        put_tables(given_options["home"] / "vgproject.db")
    server = EnhancedRAServer(load_config(given_options, {"PATH": "/usr/local/bin:/usr/bin:/bin"}))
    async with serving(server) as url:
        yield url, server


@asynccontextmanager
async def serving(server: EnhancedRAServer) -> AsyncIterator[str]:
    """Its URL."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(MOST_SECONDS), asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(ready.set_result, signals=False))
        url = await ready
        try:
            yield url
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


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """By plain uvicorn, without what our own server adds to its sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", **options))
        serving = asyncio.create_task(server._serve([listener]))  # noqa: SLF001  (`serve` takes the signals)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def slow_socket(url: str) -> socket.socket:
    """One whose system takes little for a program that does not read."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    slow.connect(("127.0.0.1", int(url.rpartition(":")[2])))
    slow.setblocking(False)
    return slow


async def figure(http: httpx.AsyncClient, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", (await http.get("/metrics")).text, re.MULTILINE)
    assert found
    return float(found[1])
