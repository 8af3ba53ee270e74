"""How much each user may do in a time, over all connections and requests; who is not known yet, each address."""

import time
from collections import OrderedDict
from collections.abc import Callable

from vgproject.access.back_off import network_of
from vgproject.access.permissions import Caller
from vgproject.access.token_bucket import Rate, TokenBucket
from vgproject.errors import RateLimitedError

MOST = 10_000
"""Users and addresses that are remembered at once; beyond it the one that did nothing for the longest begins anew."""


class Allowances:
    def __init__(
        self, *, commands: Rate, handshakes: Rate, sessions: Rate, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._commands = Buckets(commands, monotonic)
        self._handshakes = Buckets(handshakes, monotonic)
        self._sessions = Buckets(sessions, monotonic)

    def take_command(self, caller: Caller | None, address: str, *, cost: float = 1.0) -> None:
        """Raises `RateLimitedError`."""
        _expect(self._commands.take(_who(caller, address), cost), "Too many commands: wait a little.")

    def take_handshake(self, caller: Caller | None, address: str) -> None:
        """Raises `RateLimitedError`."""
        _expect(
            self._handshakes.take(_who(caller, address)), "Too many connections at a time: come back a little later."
        )

    def take_session(self, caller: Caller) -> None:
        """Raises `RateLimitedError`."""
        _expect(self._sessions.take(_who(caller, "")), "Too many new sessions: wait, or go on in one that is there.")


class Buckets:
    """One for each who. One that is full again says nothing and is forgotten, so only the busy ones take memory."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float], *, most: int = MOST) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._most = most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: str, cost: float = 1.0) -> float:
        """As `TokenBucket.take`."""
        now = self._monotonic()
        bucket = self._buckets.get(who)
        if bucket is None:
            self._make_room(now)
            bucket = self._buckets[who] = TokenBucket(self._rate, now)
        self._buckets.move_to_end(who)
        return bucket.take(now, cost)

    def _make_room(self, now: float) -> None:
        """The first in order did nothing for the longest."""
        while self._buckets:
            who, oldest = next(iter(self._buckets.items()))
            if len(self._buckets) < self._most and not oldest.is_full(now):
                return
            del self._buckets[who]


def _who(caller: Caller | None, address: str) -> str:
    return f"user/{caller.user_id}" if caller else f"address/{network_of(address)}"


def _expect(wait_seconds: float, refusal: str) -> None:
    if wait_seconds:
        raise RateLimitedError(refusal, retry_after_ms=round(wait_seconds * 1000) + 1)
