"""Who is it: the owner's token, API tokens, JWTs, and the browser's cookie."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from starlette.requests import HTTPConnection

from vgproject.access.back_off import BackOff, remember
from vgproject.access.permissions import Caller
from vgproject.access.strangers import Strangers
from vgproject.access.tokens import Tokens
from vgproject.audit import AuditTrail, Entry, entry_by
from vgproject.errors import RateLimitedError, UnauthenticatedError
from vgproject.schema.access import OWNER_NAME
from vgproject.utils.clock import Clock, utc_now

COOKIE = "vgproject"
COOKIE_AGE = timedelta(days=30)
CODE_SECONDS = 600
MAX_CHARACTERS = 16 * 1024
FREE_WRONG_TOKENS = 10
OWNER = Caller(OWNER_NAME, "owner")


class WebTokens(Protocol):
    async def identify(self, token: str) -> Caller:
        """Raises `UnauthenticatedError` and `UnavailableError`."""


class Authenticator:
    """Knows the owner's token, which is kept in ``home/token`` for the command line, readable by its owner only."""

    def __init__(
        self,
        home: Path,
        token: str | None,
        tokens: Tokens,
        audit: AuditTrail,
        *,
        web_tokens: WebTokens | None = None,
        back_off: BackOff | None = None,
        now: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = home / "token"
        self._token = token or self._kept() or secrets.token_urlsafe(32)
        self._tokens = tokens
        self._audit = audit
        self._strangers = Strangers(self._tell_of_strangers)
        self._seen: OrderedDict[tuple[bytes, str], None] = OrderedDict()
        self._web_tokens = web_tokens
        self._back_off = back_off or BackOff(FREE_WRONG_TOKENS)
        self._back_off.note_right(self._token)
        self._codes: dict[str, float] = {}
        self._now = now
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

    async def take_code(self, code: str, address: str) -> str:
        """The cookie for a one-time code. Raises `UnauthenticatedError` and `RateLimitedError`."""
        with self._counting(address):
            self._back_off.expect_patience(address, code)
            if self._codes.pop(code, 0.0) <= self._monotonic():
                self._back_off.note_wrong(address, code)
                raise UnauthenticatedError("This sign-in link was used already, is too old, or is not of this server.")
        await self._audit.store(entry_by(replace(OWNER, address=address), "sign_in", about={"by": "code"}))
        return self._new_cookie()

    async def cookie_for(self, token: str, address: str) -> str:
        """The cookie for a token; it is good for no longer than that. Raises what `check` raises."""
        await self.check(token, address)
        return self._new_cookie() if _is_same(token, self._token) else token

    def _new_cookie(self) -> str:
        return self._cookie(str(int((self._now() + COOKIE_AGE).timestamp())))

    def _cookie(self, expires: str) -> str:
        """Signed with the owner's token: it ends with that, and at its time whatever the browser says."""
        return f"{expires}.{hmac.new(self._token.encode(), f'browser {expires}'.encode(), hashlib.sha256).hexdigest()}"

    async def identify(self, connection: HTTPConnection) -> Caller | None:
        """Who asks; ``None`` without a token. Raises what `check` raises."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.check(token.strip(), address_of(connection))
        cookie = connection.cookies.get(COOKIE, "")
        caller = self.of_cookie(cookie) or await self._of_token_cookie(cookie)
        return replace(caller, address=address_of(connection)) if caller else None

    def refuse(self, connection: HTTPConnection) -> UnauthenticatedError:
        """What to raise where a token is needed and none has come."""
        self._strangers.count(address_of(connection), UnauthenticatedError.code)
        return UnauthenticatedError("A token is needed: send `Authorization: Bearer …`.")

    def of_cookie(self, cookie: str) -> Caller | None:
        """``None`` for one that is not ours, or no more."""
        expires = cookie.partition(".")[0]
        if not _is_same(cookie, self._cookie(expires)):
            return None
        expires_at = datetime.fromtimestamp(int(expires), UTC)
        return Caller(OWNER.user_id, OWNER.role, expires_at=expires_at) if expires_at > self._now() else None

    async def _of_token_cookie(self, cookie: str) -> Caller | None:
        """``None`` for one that is no token, or no more: the browser has it still, and nobody guesses."""
        try:
            return await self._recognize_issued(cookie) if cookie else None
        except UnauthenticatedError:
            return None

    async def check(self, token: str, address: str) -> Caller:
        """Raises `UnauthenticatedError` for a wrong token, and `RateLimitedError` after too many of this address."""
        with self._counting(address):
            self._back_off.expect_patience(address, token)
            try:
                caller = replace(await self._recognize(token), address=address)
            except UnauthenticatedError:
                self._back_off.note_wrong(address, token)
                raise
        self._back_off.note_right(token)
        self._note_sign_in(caller, token)
        return caller

    @contextmanager
    def _counting(self, address: str) -> Iterator[None]:
        try:
            yield
        except (UnauthenticatedError, RateLimitedError) as error:
            self._strangers.count(address, error.code)
            raise

    def _tell_of_strangers(self, network: str, code: str, count: int) -> None:
        self._audit.note(Entry("authenticate", "refused", code=code, address=network, count=count))

    def _note_sign_in(self, caller: Caller, token: str) -> None:
        """The first time that this process sees the token from there."""
        key = (hashlib.sha256(token.encode()).digest(), caller.address)
        if key not in self._seen:
            by = "api_token" if caller.token_id else "owner_token" if _is_same(token, self._token) else "jwt"
            self._audit.note(entry_by(caller, "sign_in", about={"by": by}))
        remember(self._seen, key, None)

    def close(self) -> None:
        """Tell of what is counted."""
        self._strangers.settle()

    async def _recognize(self, token: str) -> Caller:
        return OWNER if _is_same(token, self._token) else await self._recognize_issued(token)

    async def _recognize_issued(self, token: str) -> Caller:
        """An API token or a JWT."""
        if len(token) > MAX_CHARACTERS:
            raise UnauthenticatedError("The token is too long.")
        if self._web_tokens and token.count(".") == 2:
            return await self._web_tokens.identify(token)
        return await self._tokens.identify(token)


def address_of(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _is_same(given: str, known: str) -> bool:
    """In a time that says nothing of where they differ."""
    return hmac.compare_digest(given.encode(), known.encode())
