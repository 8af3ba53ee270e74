"""Connections at their limits: clients that do not read, too many of them, and what the server gets wrong itself."""

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from live_server import (
    HEADERS,
    TOKEN,
    figure,
    frames,
    open_websocket,
    receive,
    running_server,
    send,
    served,
    serving,
    slow_socket,
)
from sample import make_project, script, write_script
from vgproject.auth import Authenticator
from vgproject.bootstrap import open_services
from vgproject.broker.base import Delta
from vgproject.broker.in_process import InProcessBroker
from vgproject.cli.client import Client
from vgproject.cli.home import ServerAddress
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.errors import VgprojectError
from vgproject.websocket_manager import WebSocketManager
from vgproject.websocket_protocol import EXTENSION, WebSocketProtocol

CONNECTION_BYTES = 256 * 1024
LIMITS = {"connection_bytes": CONNECTION_BYTES, "command_burst": 2000}


async def fill(websocket: ClientConnection, *, messages: int, size: int) -> tuple[str, int]:
    """A session whose task waits for a person, and has been told ``messages`` of that size: its id and last seq."""
    await send(websocket, type="task", content="Mend it", settings={"approvals": "always"})
    received = await receive(websocket, "approval_requested")
    session_id = received[-1]["session_id"]
    for number in range(messages):
        await send(websocket, type="message", session_id=session_id, content="x" * size, id=f"m{number}")
    told = 0
    async for frame in frames(websocket):
        told += frame["type"] == "user_message"
        if told == messages:
            return session_id, frame["seq"]
    raise AssertionError("closed")


async def events_until(websocket: ClientConnection, seq: int) -> list[int]:
    """The seqs up to ``seq``, or to the connection's end."""
    seqs: list[int] = []
    with suppress(ConnectionClosed):
        async for frame in frames(websocket):
            if "seq" in frame:
                seqs.append(frame["seq"])
            if seqs and seqs[-1] == seq:
                break
    return seqs


async def slow_frames(
    raw: socket.socket, command: dict[str, Any], pause: Callable[[], Awaitable[object]]
) -> AsyncIterator[dict[str, Any]]:
    """The answer to ``command``, as a client reads it that pauses after each 8 KiB."""
    loop = asyncio.get_running_loop()
    client = ClientProtocol(parse_uri("ws://127.0.0.1/v1/ws"), max_size=None)
    request = client.connect()
    request.headers.update(HEADERS)
    client.send_request(request)
    await loop.sock_sendall(raw, b"".join(client.data_to_send()))
    while received := await loop.sock_recv(raw, 8192):
        client.receive_data(received)
        for event in client.events_received():
            if isinstance(event, Response):
                client.send_text(json.dumps(command).encode())
                await loop.sock_sendall(raw, b"".join(client.data_to_send()))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                parsed = json.loads(bytes(event.data))
                for frame in parsed if isinstance(parsed, list) else [parsed]:
                    yield frame
        await pause()


def open_sockets() -> int:
    return sum(_target(path).startswith("socket:") for path in Path("/proc/self/fd").iterdir())


def _target(path: Path) -> str:
    """Nothing for the one that lists them, which is closed again."""
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return ""


async def test_a_client_that_stops_reading_is_closed_with_4008_and_comes_back_with_nothing_lost(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits={**LIMITS, "stalled_seconds": 1}) as url,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as http,
        open_websocket(url) as healthy,
    ):
        session_id, head = await fill(healthy, messages=60, size=60_000)
        async with open_websocket(url, sock=slow_socket(url), max_queue=1, max_size=None) as stalled:
            await send(stalled, type="subscribe", session_id=session_id)
            unsent = 0.0
            while await figure(http, "vgproject_open_connections") == 2:
                unsent = max(unsent, await figure(http, "vgproject_unsent_bytes"))
                await send(healthy, type="ping")
                await receive(healthy, "pong")
            seqs = await events_until(stalled, head)
        assert stalled.close_code == 4008
        assert 64 * 1024 < unsent <= CONNECTION_BYTES
        assert 0 < len(seqs) < head
        async with open_websocket(url) as back:
            await send(back, type="subscribe", session_id=session_id, after=seqs[-1])
            seqs += await events_until(back, head)
        assert seqs == list(range(1, head + 1))


async def test_a_client_that_reads_slowly_but_reads_is_kept(tmp_path: Path) -> None:
    """Room for the next frame comes later than ``stalled_seconds``; a part of that is taken in time."""
    large = {"connection_bytes": 4 * 1024 * 1024, "command_burst": 2000}
    limits = {**large, "stalled_seconds": 2, "heartbeat_seconds": 0.02}
    async with running_server(tmp_path, limits=limits) as url, open_websocket(url) as healthy:
        session_id, head = await fill(healthy, messages=25, size=60_000)
        seqs: list[int] = []
        command = {"type": "subscribe", "session_id": session_id}
        with slow_socket(url) as raw:
            async for frame in slow_frames(raw, command, lambda: receive(healthy, "heartbeat")):
                seqs += [frame["seq"]] if "seq" in frame else []
                if seqs and seqs[-1] == head:
                    break
        assert seqs == list(range(1, head + 1))


async def test_a_stream_of_events_whose_client_stops_reading_is_ended(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits={**LIMITS, "stalled_seconds": 0.2}) as url,
        open_websocket(url) as healthy,
    ):
        session_id, _ = await fill(healthy, messages=60, size=60_000)
        before = open_sockets()
        with slow_socket(url) as stalled:
            lines = [f"GET /v1/sessions/{session_id}/events HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream"]
            request = "\r\n".join([*lines, f"Authorization: Bearer {TOKEN}", "", ""])
            await asyncio.get_running_loop().sock_sendall(stalled, request.encode())
            assert await asyncio.get_running_loop().sock_recv(stalled, 12) == b"HTTP/1.1 200"
            assert open_sockets() == before + 2
            while open_sockets() == before + 2:
                await (await healthy.ping())


async def test_no_frame_of_many_events_is_larger_than_a_quarter_of_what_a_connection_may_hold(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits=LIMITS) as url,
        open_websocket(url) as websocket,
    ):
        session_id, head = await fill(websocket, messages=150, size=3000)
        await send(websocket, type="subscribe", session_id=session_id)
        seqs: list[int] = []
        sizes: list[int] = []
        async for message in websocket:
            received = json.loads(message)
            if isinstance(received, list):
                sizes.append(len(message))
            seqs += [
                frame["seq"] for frame in (received if isinstance(received, list) else [received]) if "seq" in frame
            ]
            if seqs and seqs[-1] == head:
                break
        assert seqs == list(range(1, head + 1))
        assert CONNECTION_BYTES // 8 < max(sizes) <= CONNECTION_BYTES // 4


async def test_a_text_in_the_making_that_is_larger_than_a_frame_is_told_in_parts(tmp_path: Path) -> None:
    content = script()
    text = " ".join(f"{number}{'日本語' * 50}" for number in range(400))
    content["phases"]["research"][0] = {"text": text, "chunk_size": 2000, "token_delay_ms": 30}
    directory = tmp_path / "long"
    directory.mkdir()
    async with (
        running_server(tmp_path, limits=LIMITS, model=write_script(directory, content)) as url,
        open_websocket(url) as first,
    ):
        await send(first, type="task", content="Mend it")
        written = 0
        async for frame in frames(first):
            if frame["type"] == "text_delta":
                written = frame["offset"] + len(frame["text"])
            if written > 40_000:
                break
        async with open_websocket(url) as second:
            await send(second, type="subscribe", session_id=frame["session_id"])
            told = ""
            async for message in second:
                assert len(message.encode() if isinstance(message, str) else message) <= CONNECTION_BYTES // 4 + 2
                received = json.loads(message)
                for frame in received if isinstance(received, list) else [received]:
                    if frame["type"] == "text_delta":
                        assert frame["offset"] == len(told)
                        told += frame["text"]
                if len(told) > 40_000:
                    break
    assert told == text[: len(told)]


async def test_hello_counts_among_the_connections_of_its_user(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits={"connections_per_user": 1}) as url,
        open_websocket(url) as first,
        connect(url.replace("http", "ws") + "/v1/ws") as second,
    ):
        await send(second, type="hello", id="h", token=TOKEN)
        assert (await receive(second, "error"))[-1]["data"]["code"] == "too_many_connections"
        await second.wait_closed()
        assert second.close_code == 4430
        await send(first, type="hello", id="h", token=TOKEN, client="named")
        assert (await receive(first, "ack"))[-1]["id"] == "h"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(b"\x81\x82\0\0\0\0\xff\xfe", 1007, id="text that is not UTF-8"),
        pytest.param(b"\x81\x02{}", 1002, id="not masked"),
        pytest.param(b"\xf3\x80\0\0\0\0", 1002, id="unknown bits and opcode"),
        pytest.param(b"\x80\x80\0\0\0\0", 1002, id="the rest of nothing"),
        pytest.param(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009, id="longer than any memory"),
    ],
)
async def test_a_broken_frame_ends_its_own_connection_only(tmp_path: Path, sent: bytes, code: int) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as other, open_websocket(url) as broken:
        await receive(broken, "welcome")
        broken.transport.write(sent)
        await broken.wait_closed()
        assert broken.close_code == code
        await send(other, type="ping", id="p")
        assert (await receive(other, "pong"))[-1]["id"] == "p"


async def test_following_a_session_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url:
        with pytest.raises(VgprojectError, match="There is no session 'nosuch'") as refused:
            async for _ in Client(ServerAddress(url, TOKEN)).follow("nosuch"):
                pass
    assert refused.value.code == "no_such_session"


class BrokenBroker(InProcessBroker):
    def partial(self, session_id: str) -> list[Delta]:
        raise KeyError("a mistake in the broker")


async def test_what_is_small_is_sent_before_the_client_has_confirmed_what_came_before(tmp_path: Path) -> None:
    async def look(websocket: WebSocket) -> None:
        await websocket.accept()
        connection: WebSocketProtocol = websocket.scope["extensions"][EXTENSION]
        accepted = connection.transport.get_extra_info("socket")
        await websocket.send_text(str(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))

    options = {"home": tmp_path / "home", "project": make_project(tmp_path / "project"), "token": TOKEN, "port": 0}
    server = EnhancedRAServer(load_config(options, {"PATH": os.environ["PATH"]}))
    server.app.add_api_websocket_route("/look", look)
    async with serving(server) as url, connect(url.replace("http", "ws") + "/look") as websocket:
        assert await websocket.recv() == "1"


async def test_a_mistake_in_a_subscription_is_said_logged_and_closes_with_1011(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Served by another server than ours, which knows nothing of what a client has taken."""
    options = {"home": tmp_path / "home", "project": make_project(tmp_path / "project"), "token": TOKEN}
    loaded = load_config({**options, "model": write_script(tmp_path, script())}, {"PATH": os.environ["PATH"]})
    app = FastAPI()
    async with open_services(loaded) as services:
        broken = replace(services, broker=BrokenBroker())
        manager = WebSocketManager(broken, Authenticator(loaded.config.home, TOKEN, services.tokens, services.audit))
        app.add_api_websocket_route("/v1/ws", manager.serve)
        async with (
            served(app, ws="websockets-sansio") as url,
            open_websocket(url) as websocket,
            open_websocket(url) as other,
        ):
            await send(websocket, type="create_session", id="c")
            session_id = (await receive(websocket, "ack"))[-1]["data"]["session_id"]
            with caplog.at_level(logging.ERROR, "vgproject"):
                await send(websocket, type="subscribe", session_id=session_id)
                error = (await receive(websocket, "error"))[-1]
                await websocket.wait_closed()
            await send(other, type="ping")
            await receive(other, "pong")
    assert error["data"]["code"] == "internal_error"
    assert "KeyError" not in json.dumps(error)
    assert websocket.close_code == 1011
    assert "a mistake in the broker" in caplog.text


class WatchedProtocol(WebSocketProtocol):
    close_seconds = 0.2
    lost: asyncio.Event

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


async def test_an_end_does_not_wait_for_what_the_client_does_not_take() -> None:
    """Without the kernel's time-out, which the listening socket of our own server has too."""
    WatchedProtocol.lost = asyncio.Event()
    rooms: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await websocket.receive_text()
        connection: WebSocketProtocol = scope["extensions"][EXTENSION]
        while await connection.has_room(0.2):
            await websocket.send_bytes(bytes(100_000))
        rooms.append(connection.unsent_bytes > 0)
        connection.end(4008, "Too slow.")
        assert (await websocket.receive())["code"] == 4008

    async with served(app, ws=WatchedProtocol) as url:
        websocket = await connect(url.replace("http", "ws"), sock=slow_socket(url), max_queue=1, compression=None)
        await websocket.send("begin")
        await WatchedProtocol.lost.wait()
        assert rooms == [True]
        websocket.transport.abort()
        await websocket.wait_closed()
