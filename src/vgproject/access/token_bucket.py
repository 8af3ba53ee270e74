"""A bucket of tokens: so many at once, and so many a second in the long run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    per_second: float
    burst: int


class TokenBucket:
    """In any time from one moment to another no more is taken than the burst and what flows in between."""

    def __init__(self, rate: Rate, now: float) -> None:
        """``now`` is in seconds, as of `time.monotonic`, here and below; it never goes back."""
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def take(self, now: float, cost: float = 1.0) -> float:
        """Zero, or the seconds until there is as much: then nothing is taken."""
        self._fill(now)
        if self._tokens < cost:
            return (cost - self._tokens) / self._rate.per_second
        self._tokens -= cost
        return 0.0

    def is_full(self, now: float) -> bool:
        """Whether it is as a new one."""
        self._fill(now)
        return self._tokens >= self._rate.burst

    def _fill(self, now: float) -> None:
        self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
        self._at = now
