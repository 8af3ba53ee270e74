"""Who is it: the owner's token, and the browser's cookie."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from starlette.requests import HTTPConnection

from vgproject.errors import UnauthenticatedError
from vgproject.sessions import Caller

COOKIE = "vgproject"
CODE_SECONDS = 600


class Authenticator:
    """Knows the owner's token, which is kept in ``home/token`` for the command line, readable by its owner only."""

    def __init__(self, home: Path, token: str | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = home / "token"
        self._token = token or self._kept() or secrets.token_urlsafe(32)
        self._codes: dict[str, float] = {}
        self._monotonic = monotonic

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
        """A code that signs one browser in, once, within ten minutes."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = self._monotonic() + CODE_SECONDS
        return code

    def take_code(self, code: str) -> str:
        """The cookie for a one-time code. Raises `UnauthenticatedError`."""
        if self._codes.pop(code, 0.0) <= self._monotonic():
            raise UnauthenticatedError("This sign-in link was used already, is too old, or is not of this server.")
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
