"""uvicorn's HTTP, with an end for a client that does not come to the end of its request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """A connection that is idle after an answer is uvicorn's to end; one on which a request is being sent is not."""

    request_seconds = 30.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_request()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_request()

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
