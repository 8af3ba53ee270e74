"""The way out to one client: a frame at a time, and what is held for a slow one is bounded."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from vgproject.config import Limits
from vgproject.visits import visit_of
from vgproject.websocket_protocol import EXTENSION, WebSocketProtocol

LOOKS = 4
"""How often a client that has no room is looked at before it counts as stalled."""
REASON_BYTES = 123
"""What fits into a close frame."""


class Outbox:
    """Of ``connection_bytes`` a quarter is the largest frame being made, one is the frame on its way, an eighth are the
    characters of deltas that wait; the socket's own buffer is 64 KiB. Only a single larger event goes beyond.

    Under another server than ours nothing is known of what a client has taken: there a send has ``stalled_seconds``.
    """

    def __init__(self, websocket: WebSocket, limits: Limits) -> None:
        self._websocket = websocket
        self._connection: WebSocketProtocol | None = websocket.scope.get("extensions", {}).get(EXTENSION)
        self._stalled_seconds = limits.stalled_seconds
        self._turn = asyncio.Lock()
        self._delta_room = limits.connection_bytes // 8
        self.frame_bytes = limits.connection_bytes // 4
        self.closed = False
        self._visit = visit_of(websocket.scope)

    @property
    def unsent_bytes(self) -> int:
        return self._connection.unsent_bytes if self._connection else 0

    async def send(self, frame: bytes) -> None:
        """Raises `WebSocketDisconnect` where the client is gone, or has taken nothing for too long."""
        async with self._turn:
            await self._wait_for_room()
            await self._write(frame)

    async def send_next(self, make: Callable[[], Awaitable[bytes | None]]) -> bool:
        """As `send`, of what ``make`` gives once there is room for it: nothing is read for a client that does not
        take it. False where it gives nothing."""
        async with self._turn:
            await self._wait_for_room()
            frame = await make()
            if frame is not None:
                await self._write(frame)
        return frame is not None

    async def _wait_for_room(self) -> None:
        """A client that takes a little has time; one that takes nothing has not."""
        if self._connection:
            unsent, looks = self._connection.unsent_bytes, 0
            while not await self._connection.has_room(self._stalled_seconds / LOOKS):
                before, unsent = unsent, self._connection.unsent_bytes
                looks = looks + 1 if unsent >= before else 0
                if looks == LOOKS:
                    await self.close(4008, _TOO_SLOW)
        if self.closed:
            raise WebSocketDisconnect(1006)

    async def _write(self, frame: bytes) -> None:
        try:
            async with asyncio.timeout(self._stalled_seconds):
                await self._websocket.send_text(frame.decode())
        except TimeoutError as error:
            await self.close(4008, _TOO_SLOW)
            raise WebSocketDisconnect(4008) from error
        except RuntimeError as error:
            # What a server raises on a send after the close that it made itself, as on a broken frame.
            raise WebSocketDisconnect(1006) from error

    async def close(self, code: int, reason: str) -> None:
        """End the connection, whether its client reads or not. The first close counts."""
        if self.closed:
            return
        self.closed = True
        self._visit.status = code
        fitting = reason.encode()[:REASON_BYTES].decode(errors="ignore")
        if self._connection:
            self._connection.end(code, fitting)
            return
        with suppress(RuntimeError, TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(self._stalled_seconds):
                await self._websocket.close(code, fitting)

    def hold_delta(self, characters: int) -> bool:
        """Room for a delta that waits to be sent; false where there is none. `let_go` gives it back."""
        if characters > self._delta_room:
            return False
        self._delta_room -= characters
        return True

    def let_go(self, characters: int) -> None:
        self._delta_room += characters


_TOO_SLOW = "The client reads too slowly: come back with the last seq."
