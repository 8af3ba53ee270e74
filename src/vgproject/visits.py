"""Each HTTP request and each WebSocket: its id, its line in the log, its figures."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vgproject.telemetry.log_context import log_ids
from vgproject.utils.ids import new_id
from vgproject.websocket_protocol import EXTENSION, WebSocketProtocol

logger = logging.getLogger(__name__)

VISIT = "vgproject.visit"
REQUEST_ID = "X-Request-Id"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
WEBSOCKET = "WEBSOCKET"
NO_STATUS = 0
"""Of a request whose client went before there was an answer."""
ABNORMAL = 1006
"""Of a WebSocket that ended without a close."""


@dataclass
class Visit:
    """Found by the application in its scope. ``status`` is the close code where it is a WebSocket."""

    scope: Scope
    request_id: str
    user: str = ""
    status: int = NO_STATUS
    bytes_in: int = 0
    bytes_out: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def method(self) -> str:
        return WEBSOCKET if self.scope["type"] == "websocket" else str(self.scope["method"])

    @property
    def route(self) -> str:
        """The template; empty where none was found."""
        return getattr(self.scope.get("route"), "path", "")

    @property
    def path(self) -> str:
        """Without what a query says, which may be a code or a token."""
        return f"{self.scope['path']}{'?…' if self.scope.get('query_string') else ''}"


def visit_of(scope: Scope) -> Visit:
    """Where nobody counts, one that nobody looks at."""
    visit: Visit | None = scope.get(VISIT)
    return visit or Visit(scope, "")


class Visits:
    """The outermost of what a request passes through, so that its id is on every answer."""

    def __init__(self, app: ASGIApp, count: Callable[[Visit, float], None]) -> None:
        """``count`` is told of each at its end, with the seconds it took."""
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, _request_id(Headers(scope=scope)))
        scope[VISIT] = visit

        async def receive_counted() -> Message:
            message = await receive()
            visit.bytes_in += _size(message)
            if message["type"] == "websocket.disconnect":
                visit.status = visit.status or message.get("code", 1005)
            return message

        async def send_counted(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                visit.status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = visit.request_id
            visit.bytes_out += _size(message)
            await send(message)

        with log_ids(request_id=visit.request_id):
            try:
                await self._app(scope, receive_counted, send_counted)
            finally:
                self._tell(visit)

    def _tell(self, visit: Visit) -> None:
        seconds = time.monotonic() - visit.began
        if visit.method == WEBSOCKET:
            visit.status = visit.status or ABNORMAL
            connection: WebSocketProtocol | None = visit.scope["extensions"].get(EXTENSION)
            visit.bytes_out += connection.written_bytes if connection else 0
        self._count(visit, seconds)
        fields: dict[str, Any] = {
            "method": visit.method,
            "path": visit.path,
            "status": visit.status,
            "duration_ms": round(seconds * 1000, 1),
            "user": visit.user,
            "bytes_in": visit.bytes_in,
            "bytes_out": visit.bytes_out,
        }
        logger.info("%s %s %d", visit.method, visit.path, visit.status, extra={"fields": fields})


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if SANE_ID.fullmatch(given) else new_id("req")


def _size(message: Message) -> int:
    content = message.get("body") or message.get("text") or message.get("bytes") or b""
    return len(content)
