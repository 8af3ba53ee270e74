"""uvicorn's WebSocket, with an end that does not wait for a client that has stopped reading."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

EXTENSION = "vgproject.connection"
CLOSE_SECONDS = 3.0
"""What a client gets to take what is unsent and to answer a close."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Found by the application in its scope, under ``extensions``."""

    close_seconds = CLOSE_SECONDS

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = self

    @property
    def unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    async def has_room(self, seconds: float) -> bool:
        """Whether the client takes enough for the next frame within so long. One that is gone has room."""
        if self.writable.is_set():
            return True
        try:
            async with asyncio.timeout(seconds):
                return await self.writable.wait()
        except TimeoutError:
            return False

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
