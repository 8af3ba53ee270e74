"""Clients that behave as the protocol asks, cheap enough to have a thousand of them in the test's own process."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from benchmarks.fed_process import FedProcess
from benchmarks.raw_connection import RawConnection, open_connection
from benchmarks.server import HEADERS, TOKEN

AT_ONCE = 100
"""Handshakes that are under way together where it does not matter."""
_shared: dict[bytes, bytes] = {}
"""A thousand copies of one log are one in memory."""


class Follower:
    """Has the log that it was sent, as JSON, and comes back with its cursor."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.log: list[bytes] = []
        self.epoch: str | None = None
        self.mistakes: list[str] = []
        self.told: list[dict[str, Any]] = []
        """All that is no event."""
        self.on_event: Callable[[dict[str, Any]], None] = lambda event: None
        self.connection: RawConnection | None = None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """The close code."""
        self._awaited: tuple[Callable[[], bool], asyncio.Future[None]] | None = None

    async def connect(self, url: str) -> None:
        """And ask for what it lacks. Raises `OSError`."""
        self.ended = asyncio.get_running_loop().create_future()
        self.connection = await open_connection(url, TOKEN, self._on_text, self._on_end)
        self.send(type="subscribe", session_id=self.session_id, after=len(self.log), epoch=self.epoch)

    def send(self, **command: Any) -> None:
        assert self.connection is not None
        self.connection.send(orjson.dumps(command))

    def _on_text(self, text: bytes) -> None:
        received = orjson.loads(text)
        for frame in received if isinstance(received, list) else [received]:
            if "seq" in frame:
                self._take_event(frame)
            else:
                self._take_word(frame)
        if self._awaited and self._awaited[0]():
            self._awaited[1].set_result(None)
            self._awaited = None

    def _on_end(self, code: int) -> None:
        self.ended.set_result(code)
        if self._awaited:
            self._awaited[1].set_exception(ConnectionError(f"The connection ended with {code}."))
            self._awaited = None

    def _take_event(self, event: dict[str, Any]) -> None:
        if event["seq"] != len(self.log) + 1:
            self.mistakes.append(f"seq {event['seq']} came after {len(self.log)}")
        text = orjson.dumps(event)
        self.log.append(_shared.setdefault(text, text))
        self.on_event(event)

    def _take_word(self, frame: dict[str, Any]) -> None:
        self.told.append(frame)
        if frame["type"] == "subscribed" and frame["session_id"] == self.session_id:
            self.epoch = frame["epoch"]
            if not frame["recovered"]:
                self.log.clear()
        if frame["type"] == "error":
            self.mistakes.append(f"an error came: {frame['data']}")

    def count(self, kind: str) -> int:
        return sum(frame["type"] == kind for frame in self.told)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """What ``holds`` asks is looked at after each frame. Raises `ConnectionError` where none will come."""
        if not holds():
            self._awaited = (holds, asyncio.get_running_loop().create_future())
            await self._awaited[1]

    async def reach(self, seq: int) -> None:
        await self.wait_until(lambda: len(self.log) >= seq)

    def stop_reading(self) -> None:
        """Neither this program takes anything, nor the system more than a little for it."""
        assert self.connection is not None
        self.connection.transport.pause_reading()
        self.connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)

    def leave(self) -> None:
        """Without a word."""
        if self.connection:
            self.connection.transport.abort()


async def connect_all(followers: Iterable[Follower], url: str, *, at_once: int = AT_ONCE) -> None:
    """Each has been told that it is subscribed."""
    turns = asyncio.Semaphore(at_once)

    async def connect(follower: Follower) -> None:
        async with turns:
            subscribed = follower.count("subscribed")
            await follower.connect(url)
            await follower.wait_until(lambda: follower.count("subscribed") > subscribed)

    await asyncio.gather(*map(connect, followers))


async def reach_all(followers: Iterable[Follower], seq: int) -> None:
    await asyncio.gather(*(follower.reach(seq) for follower in followers))


async def stored_log(server: FedProcess, session_id: str) -> list[bytes]:
    """As `Follower.log`, from the server."""
    async with server.http() as http:
        response = await http.get(f"/v1/sessions/{session_id}/events", params={"limit": 5000}, headers=HEADERS)
        return [orjson.dumps(event) for event in response.raise_for_status().json()["events"]]


def age(event: dict[str, Any]) -> float:
    """The seconds since the feed made the event."""
    return (time.monotonic_ns() - int(event["data"]["text"].split("@")[1])) / 1e9
