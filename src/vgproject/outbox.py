"""The way out to one client: a frame at a time, and what is held for a slow one is bounded."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from vgproject.config import Limits
from vgproject.plain_connection import PlainConnection
from vgproject.text_frame import TextFrame
from vgproject.visits import visit_of
from vgproject.websocket_protocol import EXTENSION

LOOKS = 4
"""How often a client that has no room is looked at before it counts as stalled."""
REASON_BYTES = 123
"""What fits into a close frame."""


class Connection(Protocol):
    """`WebSocketProtocol`, or under another server than ours `PlainConnection`."""

    @property
    def unsent_bytes(self) -> int: ...

    def write_now(self, frame: TextFrame) -> bool:
        """False where there is no room, or nobody any more."""

    async def has_room(self, seconds: float) -> bool:
        """Whether the client takes enough for the next frame within so long. One that is gone has room."""

    async def send_frame(self, frame: TextFrame) -> None:
        """Raises `WebSocketDisconnect`, and `TimeoutError` where the client has taken nothing for too long."""

    async def close(self, code: int, reason: str) -> None: ...


class Outbox:
    """Of ``connection_bytes`` a quarter is the largest frame being made, one is the frame on its way and one was written
    just before; the socket's own buffer is 64 KiB. Only a single larger event goes beyond."""

    __slots__ = ("_answers", "_connection", "_stalled_seconds", "_turn", "_visit", "closed", "frame_bytes", "write_now")

    def __init__(self, websocket: WebSocket, limits: Limits) -> None:
        found: Connection | None = websocket.scope.get("extensions", {}).get(EXTENSION)
        self._connection: Connection = found or PlainConnection(websocket, limits.stalled_seconds)
        self._stalled_seconds = limits.stalled_seconds
        self._turn = asyncio.Lock()
        self._answers = 0
        self.write_now: Callable[[TextFrame], bool] = self._connection.write_now
        """For who waits for nothing: false where there is no room, or nobody any more."""
        self.frame_bytes = limits.connection_bytes // 4
        self.closed = False
        self._visit = visit_of(websocket.scope)

    @property
    def unsent_bytes(self) -> int:
        return self._connection.unsent_bytes

    async def send(self, payload: bytes) -> None:
        """Before all that `send_next` has to send. Raises `WebSocketDisconnect` where the client is gone, or has taken
        nothing for too long."""
        self._answers += 1
        try:
            await self._turn.acquire()
        finally:
            self._answers -= 1
        try:
            await self._wait_for_room()
            await self._send(payload)
        finally:
            self._turn.release()

    async def send_next(self, make: Callable[[], Awaitable[bytes | None]]) -> bool:
        """As `send`, of what ``make`` gives once there is room for it: nothing is read for a client that does not
        take it. False where it gives nothing; then nothing was awaited since."""
        while True:
            async with self._turn:
                if not self._answers:
                    await self._wait_for_room()
                    payload = await make()
                    if payload is not None:
                        await self._send(payload)
                    return payload is not None
            await asyncio.sleep(0)

    async def _wait_for_room(self) -> None:
        """A client that takes a little has time; one that takes nothing has not."""
        unsent, looks = self._connection.unsent_bytes, 0
        while not await self._connection.has_room(self._stalled_seconds / LOOKS):
            before, unsent = unsent, self._connection.unsent_bytes
            looks = looks + 1 if unsent >= before else 0
            if looks == LOOKS:
                await self.close(4008, _TOO_SLOW)
        if self.closed:
            raise WebSocketDisconnect(1006)

    async def _send(self, payload: bytes) -> None:
        try:
            await self._connection.send_frame(TextFrame(payload))
        except TimeoutError as error:
            await self.close(4008, _TOO_SLOW)
            raise WebSocketDisconnect(4008) from error

    async def close(self, code: int, reason: str) -> None:
        """End the connection, whether its client reads or not. The first close counts."""
        if self.closed:
            return
        self.closed = True
        self._visit.status = code
        await self._connection.close(code, reason.encode()[:REASON_BYTES].decode(errors="ignore"))


_TOO_SLOW = "The client reads too slowly: come back with the last seq."
