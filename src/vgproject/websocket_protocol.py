"""uvicorn's WebSocket, written to without a wait, and with an end that does not wait for a client that has stopped
reading."""

import asyncio
from asyncio.transports import BaseTransport
from typing import Any, cast

from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from vgproject.text_frame import TextFrame

EXTENSION = "vgproject.connection"
CLOSE_SECONDS = 3.0
"""What a client gets to take what is unsent and to answer a close."""
UNSENT_BYTES = 64 * 1024
"""With more than that unsent a client has no room, until it has taken three quarters. Under TLS it would be 512 KiB."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Found by the application in its scope, under ``extensions``."""

    close_seconds = CLOSE_SECONDS
    is_full = False
    written_bytes = 0
    """Of the frames' texts."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.is_full = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.is_full = False

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = self

    @property
    def unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def write_now(self, frame: TextFrame) -> bool:
        """False where there is no room, or nobody any more: then nothing is written."""
        return not self.is_full and self._write(frame)

    async def send_frame(self, frame: TextFrame) -> None:
        """Raises `WebSocketDisconnect`."""
        if not self._write(frame):
            raise WebSocketDisconnect(1006)

    def _write(self, frame: TextFrame) -> bool:
        if self.close_sent or self.transport.is_closing():
            return False
        if self.conn.extensions:  # Deflate keeps a dictionary for each connection.
            self.conn.send_text(frame.payload)
            self.transport.write(b"".join(self.conn.data_to_send()))
        else:
            self.transport.write(frame.wire)
        self.written_bytes += len(frame.payload)
        return True

    async def has_room(self, seconds: float) -> bool:
        """Whether the client takes enough for the next frame within so long. One that is gone has room."""
        if self.writable.is_set():
            return True
        try:
            async with asyncio.timeout(seconds):
                return await self.writable.wait()
        except TimeoutError:
            return False

    async def close(self, code: int, reason: str) -> None:
        self.end(code, reason)

    def end(self, code: int, reason: str) -> None:
        """Close, also where nothing is read: what is not taken in `close_seconds` is dropped with the connection."""
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.conn.state is State.OPEN:  # Else the client's own close is read already, and handled next.
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_seconds, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Text that is not UTF-8 closes with 1007; uvicorn fails where the client's close came with it."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.end(1007, "The text is not UTF-8.")
                return
        super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        self.end(4012, "No pong came.")

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """However it ended: `transport.close`, which uvicorn calls, waits for what is unsent without an end."""
        super().on_task_complete(task)
        self.loop.call_later(self.close_seconds, self.transport.abort)
