"""Connections and streams end with the token that they were opened with: when it expires, and when it is revoked."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from vgproject.access.permissions import Caller
from vgproject.access.tokens import Tokens
from vgproject.errors import VgprojectError
from vgproject.utils.clock import Clock

logger = logging.getLogger(__name__)

End = Callable[[int, str], Awaitable[None]]
"""Closes with a code and a sentence."""
CHECK_INTERVAL = timedelta(seconds=5)
"""How often tokens in use are looked at, in case another process has revoked one."""


@dataclass(frozen=True, eq=False)
class Use:
    caller: Caller
    end: End


class LiveAccess:
    def __init__(self, tokens: Tokens, *, now: Clock) -> None:
        self._tokens = tokens
        self._now = now
        self._uses: set[Use] = set()
        self._news = asyncio.Event()
        self._checked_at = now()

    def hold(self, caller: Caller, end: End) -> Callable[[], None]:
        """Call ``end`` should the caller's access end before what this returns is called."""
        use = Use(caller, end)
        self._uses.add(use)
        if caller.expires_at or caller.token_id:
            self._news.set()
        return lambda: self._uses.discard(use)

    def check(self) -> None:
        """Look at the tokens in use now."""
        self._checked_at -= CHECK_INTERVAL
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            await self._end_expired()
            await self._end_revoked()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_wait()):
                    await self._news.wait()

    def _seconds_to_wait(self) -> float | None:
        moments = [use.caller.expires_at for use in self._uses if use.caller.expires_at]
        if self._tokens_in_use():
            moments.append(self._checked_at + CHECK_INTERVAL)
        return max((min(moments) - self._now()).total_seconds(), 0.0) if moments else None

    def _tokens_in_use(self) -> set[str]:
        return {use.caller.token_id for use in self._uses if use.caller.token_id}

    async def _end_expired(self) -> None:
        now = self._now()
        await self._end(lambda use: _has_expired(use, now), 4001, "The token has expired.")

    async def _end_revoked(self) -> None:
        if self._now() < self._checked_at + CHECK_INTERVAL:
            return
        self._checked_at = self._now()
        try:
            revoked = await self._tokens.list_revoked(self._tokens_in_use())
        except VgprojectError:
            logger.warning("The tokens in use cannot be looked at.", exc_info=True)
            return
        await self._end(lambda use: use.caller.token_id in revoked, 4401, "The token is revoked.")

    async def _end(self, is_over: Callable[[Use], bool], code: int, reason: str) -> None:
        over = {use for use in self._uses if is_over(use)}
        self._uses -= over
        await asyncio.gather(*(use.end(code, reason) for use in over), return_exceptions=True)


def _has_expired(use: Use, now: datetime) -> bool:
    return use.caller.expires_at is not None and use.caller.expires_at <= now


@asynccontextmanager
async def open_live_access(tokens: Tokens, *, now: Clock) -> AsyncIterator[LiveAccess]:
    live = LiveAccess(tokens, now=now)
    tokens.on_revoke(live.check)
    watching = asyncio.create_task(live.run(), name="live access")
    try:
        yield live
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
