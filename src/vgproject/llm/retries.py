"""How often a call is made, and how long to wait in between."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from vgproject.errors import ModelError
from vgproject.utils.clock import Clock

Result = TypeVar("Result")


@dataclass(frozen=True)
class Retries:
    """``chance`` is from 0 to 1."""

    attempts: int
    first_delay_seconds: float
    longest_delay_seconds: float
    now: Clock
    chance: Callable[[], float]

    async def run(
        self, call: Callable[[int], Awaitable[Result]], on_retry: Callable[[int, int, str], Awaitable[None]]
    ) -> Result:
        """``call`` gets the number of the attempt; ``on_retry`` also the delay in milliseconds, and the reason.

        Raises the `ModelError` of the last attempt, or the first that is not ``retryable``.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return await call(attempt)
            except ModelError as error:
                if not error.retryable or attempt == self.attempts:
                    raise
                delay = self._delay(attempt, error.details.get("retry_after"))
                await on_retry(attempt, round(delay * 1000), error.message)
                await asyncio.sleep(delay)
        raise AssertionError("there is at least one attempt")

    def _delay(self, attempt: int, retry_after: str | None) -> float:
        """At least what the server asked for; up to a quarter more, so that many do not come back at once."""
        grown = self.first_delay_seconds * 2 ** (attempt - 1)
        wished = max(_seconds_until(retry_after, self.now()), grown) * (1 + self.chance() / 4)
        return float(min(wished, self.longest_delay_seconds))


def _seconds_until(retry_after: str | None, now: datetime) -> float:
    """What a ``Retry-After`` header asks for, as seconds or as a date; zero where it is neither."""
    if not retry_after:
        return 0.0
    if retry_after.isdigit():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)
