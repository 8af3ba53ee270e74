"""uvicorn's HTTP, with a bound on what comes before a request's body, and a deadline for the whole of it."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES = 64 * 1024
MOST_HEADERS = 200
LINGER_SECONDS = 1.0
"""What a client that is still sending gets to read why it is refused: a close at once would take the answer away."""


class HeadTooLargeError(Exception):
    """Ends the parsing."""


class HttpProtocol(HttpToolsProtocol):
    """A longer head, or one of more headers, also a WebSocket's, is answered with 431 and not kept.

    A connection that is idle after an answer is uvicorn's to end; one on which a request is being sent is not.
    """

    request_seconds = 30.0
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _reads_head = False
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_request()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        super().data_received(data)
        # A header that does not end is held by the parser, which tells nothing of it.
        if self._reads_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_request()
        self._reads_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._reads_head = False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._refuse()
            raise HeadTooLargeError
        super().on_headers_complete()

    def _refuse(self) -> None:
        """Where the request before is not answered yet, its answer is the last."""
        self._is_refused = True
        if self.cycle and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return
        self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Said wherever the parsing ends, also by us."""
        if not self._is_refused:
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        self._end_request()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._end_request()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_request()
        super().connection_lost(exc)

    def _begin_request(self) -> None:
        self._end_request()
        self._deadline = self.loop.call_later(self.request_seconds, self.transport.abort)

    def _end_request(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None


def with_deadline(seconds: float) -> type[asyncio.Protocol]:
    """uvicorn makes the protocols, so the class has what they are to know."""
    attributes: dict[str, Any] = {"request_seconds": seconds}
    return type("HttpProtocol", (HttpProtocol,), attributes)
