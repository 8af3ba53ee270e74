"""A WebSocket under another server than ours, of which nothing is known but that a send came back."""

import asyncio
from collections import deque
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from vgproject.text_frame import TextFrame

QUEUE_BYTES = 64 * 1024
"""What waits for the sends before it; a single larger frame goes beyond."""


class PlainConnection:
    """There a send has ``stalled_seconds``."""

    def __init__(self, websocket: WebSocket, stalled_seconds: float) -> None:
        self._websocket = websocket
        self._stalled_seconds = stalled_seconds
        self._queue: deque[bytes] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._gone = False
        self.unsent_bytes = 0

    def write_now(self, frame: TextFrame) -> bool:
        if self._gone or self.unsent_bytes > QUEUE_BYTES:
            return False
        self._queue.append(frame.payload)
        self.unsent_bytes += len(frame.payload)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_queue(), name="plain connection")
        return True

    async def _send_queue(self) -> None:
        """Ends with the connection, or when one send takes too long: who waits for room finds it full then."""
        try:
            with suppress(TimeoutError, WebSocketDisconnect):
                while self._queue:
                    await self._send(self._queue[0])
                    self.unsent_bytes -= len(self._queue.popleft())
        finally:
            self._sending = None

    async def has_room(self, seconds: float) -> bool:
        if self._sending:
            await asyncio.wait({self._sending}, timeout=seconds)
        return self._gone or not self._queue

    async def send_frame(self, frame: TextFrame) -> None:
        await self._send(frame.payload)

    async def _send(self, payload: bytes) -> None:
        try:
            async with asyncio.timeout(self._stalled_seconds):
                await self._websocket.send_text(payload.decode())
        except (RuntimeError, WebSocketDisconnect) as error:
            # A RuntimeError is what a server raises on a send after the close that it made itself.
            self._gone = True
            raise WebSocketDisconnect(1006) from error

    async def close(self, code: int, reason: str) -> None:
        self._gone = True
        if self._sending:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        with suppress(RuntimeError, TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(self._stalled_seconds):
                await self._websocket.close(code, reason)
