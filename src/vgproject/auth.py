"""Who is it, and from where: the owner's token, the browser's cookie, Host and Origin."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from vgproject.errors import UnauthenticatedError
from vgproject.sessions import Caller

COOKIE = "vgproject"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Authenticator:
    """Knows the owner's token, which is kept in ``home/token`` for the command line, readable by its owner only."""

    def __init__(self, home: Path, token: str | None) -> None:
        self._path = home / "token"
        self._token = token or self._kept() or secrets.token_urlsafe(32)
        self._codes: set[str] = set()

    def _kept(self) -> str | None:
        return self._path.read_text().strip() if self._path.is_file() else None

    @property
    def token(self) -> str:
        return self._token

    def keep(self) -> None:
        self._path.touch(mode=0o600)
        self._path.chmod(0o600)
        self._path.write_text(self._token + "\n")

    def new_code(self) -> str:
        """A code that signs one browser in, once."""
        code = secrets.token_urlsafe(16)
        self._codes.add(code)
        return code

    def take_code(self, code: str) -> str:
        """The cookie for a one-time code. Raises `UnauthenticatedError`."""
        if code not in self._codes:
            raise UnauthenticatedError("This sign-in link was used already or is not of this server.")
        self._codes.discard(code)
        return self._cookie()

    def _cookie(self) -> str:
        return hmac.new(self._token.encode(), b"browser", hashlib.sha256).hexdigest()

    def identify(self, connection: HTTPConnection) -> Caller | None:
        """Who asks; ``None`` without a token. Raises `UnauthenticatedError` for a wrong one."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.check(token.strip())
        cookie = connection.cookies.get(COOKIE)
        if cookie and hmac.compare_digest(cookie.encode(), self._cookie().encode()):
            return Caller("owner", "owner")
        return None

    def check(self, token: str) -> Caller:
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise UnauthenticatedError("The token is not valid.")
        return Caller("owner", "owner")


class HostAndOriginCheck:
    """Refuses a foreign ``Host`` (DNS rebinding) and a foreign ``Origin`` (a web page) with 403, also on WebSockets."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in (*hosts, *LOOPBACK))
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
        else:
            problem = {"title": "Forbidden", "status": 403, "code": "forbidden", "detail": "Host or Origin is foreign."}
            refusal = JSONResponse(problem, status_code=403, media_type="application/problem+json")
            await refusal(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        host = headers.get("host", "").lower()
        if host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            return False
        origin = headers.get("origin")
        return origin is None or origin in self._origins or origin.partition("://")[2].lower() == host
