"""What every request passes through: the check of Host and Origin, the bound on bodies, the security headers."""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vgproject.problems import problem_response

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Where an answer says nothing of its own."""
ONLY_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Said where this server speaks TLS itself; else that is for the proxy to say."""


class HostAndOriginCheck:
    """Refuses a foreign ``Host`` (DNS rebinding) and a foreign ``Origin`` (a web page) with 403, also on WebSockets; and
    with 400 more than one of either, of which a proxy may have looked at another than this."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in (*hosts, *LOOPBACK))
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if any(len(headers.getlist(name)) > 1 for name in ("host", "origin")):
            refusal = problem_response(400, "There is more than one Host or Origin.", code="invalid_request")
            await refusal(scope, receive, send)
        elif self._is_allowed(headers):
            await self._app(scope, receive, send)
        else:
            await problem_response(403, "Host or Origin is foreign.", code="forbidden")(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        host = headers.get("host", "").lower()
        if host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            return False
        origin = headers.get("origin")
        return origin is None or origin in self._origins or origin.partition("://")[2].lower() == host


class BodyLimit:
    """Answers a larger body with 413, by its ``Content-Length`` or, in chunks, as soon as it is too much."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        detail = f"The body is too large: the limit is {self._max_bytes} bytes."
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            await problem_response(413, detail, code="too_large")(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise HTTPException(413, detail)
            return message

        await self._app(scope, receive_within_limit, send)


class SecurityHeaders:
    """Also on the answers of the guards inside of it, so it is the outermost."""

    def __init__(self, app: ASGIApp, *, speaks_tls: bool = False) -> None:
        self._app = app
        self._headers = SECURITY_HEADERS | (ONLY_TLS if speaks_tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
