"""Servers that send the same bytes to the same clients and keep no log. ``python -m benchmarks.rivals NAME``."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import orjson
import uvicorn
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.orders import Pace, obey_lines, stamped_text

FRAME = {
    "seq": 1,
    "type": "agent_message",
    "session_id": f"ses_{'0' * 26}",
    "epoch": f"epo_{'0' * 26}",
    "time": "2026-11-28T04:00:00.000Z",
    "task_id": None,
    "phase": None,
    "actor": {"kind": "agent", "id": "research"},
}


class Rival(Protocol):
    async def send(self, frame: dict[str, Any]) -> None:
        """To every client."""


class Naive:
    """What one writes first: a FastAPI route, and a loop that waits for one client after the other."""

    def __init__(self) -> None:
        self._clients: set[WebSocket] = set()
        self.app = FastAPI()
        self.app.add_api_websocket_route("/v1/ws", self._serve)

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self._clients.add(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            self._clients.discard(websocket)

    async def send(self, frame: dict[str, Any]) -> None:
        for client in tuple(self._clients):
            await client.send_json(frame)


@asynccontextmanager
async def open_naive(listener: socket.socket) -> AsyncIterator[Rival]:
    naive = Naive()
    server = uvicorn.Server(uvicorn.Config(naive.app, log_config=None, lifespan="off", ws_per_message_deflate=False))
    serving = asyncio.create_task(server.serve([listener]))
    yield naive
    server.should_exit = True
    await serving


class Broadcast:
    """`websockets`, as its documentation says to do it."""

    def __init__(self) -> None:
        self._clients: set[ServerConnection] = set()

    async def serve(self, connection: ServerConnection) -> None:
        self._clients.add(connection)
        await connection.wait_closed()
        self._clients.discard(connection)

    async def send(self, frame: dict[str, Any]) -> None:
        broadcast(self._clients, orjson.dumps(frame).decode())


@asynccontextmanager
async def open_broadcast(listener: socket.socket) -> AsyncIterator[Rival]:
    rival = Broadcast()
    async with serve(rival.serve, sock=listener, compression=None):
        yield rival


class Bare(WSListener):
    """`picows`, about the least that Python can do."""

    def __init__(self, clients: set[WSTransport]) -> None:
        self._clients = clients

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._clients.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._clients.discard(transport)


class BareSender:
    def __init__(self) -> None:
        self._clients: set[WSTransport] = set()

    def listen(self, request: WSUpgradeRequest) -> WSListener:
        return Bare(self._clients)

    async def send(self, frame: dict[str, Any]) -> None:
        payload = orjson.dumps(frame)
        for client in self._clients:
            client.send(WSMsgType.TEXT, payload)


@asynccontextmanager
async def open_bare(listener: socket.socket) -> AsyncIterator[Rival]:
    rival = BareSender()
    async with await ws_create_server(rival.listen, sock=listener):
        yield rival


RIVALS: dict[str, Callable[[socket.socket], AbstractAsyncContextManager[Rival]]] = {
    "naive": open_naive,
    "websockets": open_broadcast,
    "picows": open_bare,
}


class Feed:
    """Obeys what `fed_server.Feed` obeys, as far as there are sessions here."""

    def __init__(self, rival: Rival) -> None:
        self._rival = rival

    async def append(self, count: int, per_second: float = 0, size: int = 40, together: int = 1) -> dict[str, Any]:
        pace = Pace(per_second)
        for _ in range(0, count, together):
            for _ in range(together):
                frame = {**FRAME, "data": {"message_id": "m", "text": stamped_text(size)}}
                await self._rival.send(frame)
            await pace.wait(together)
        return {}

    async def cpu(self) -> dict[str, Any]:
        return {"cpu_seconds": time.process_time()}


async def run(name: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    async with RIVALS[name](listener) as rival:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await obey_lines(Feed(rival))


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1]))
