"""Who sends wrong tokens waits, each time twice as long. A token that was right before is no guess and does not wait."""

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from vgproject.errors import RateLimitedError

Key = TypeVar("Key")
Value = TypeVar("Value")

LONGEST_SECONDS = 60.0
FORGET_SECONDS = 600.0
MOST = 10_000
"""What is remembered of one kind: addresses, or tokens."""


@dataclass
class Record:
    wrong: int = 0
    last_at: float = 0.0


class BackOff:
    def __init__(self, free: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """``free``: so many wrong tokens of an address cost nothing."""
        self._free = free
        self._monotonic = monotonic
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def expect_patience(self, address: str, token: str) -> None:
        """Raises `RateLimitedError` where the address has to wait before it tries another token."""
        record = self._records.get(network_of(address))
        if record is None or _digest(token) in self._right:
            return
        waits = record.last_at + self._seconds_after(record.wrong) - self._monotonic()
        if waits > 0:
            raise RateLimitedError(
                "Too many wrong tokens came from this address: wait a little.",
                code="too_many_wrong_tokens",
                retry_after_ms=round(waits * 1000) + 1,
            )

    def _seconds_after(self, wrong: int) -> float:
        return min(LONGEST_SECONDS, 2.0 ** min(wrong - self._free, 30)) if wrong > self._free else 0.0

    def note_wrong(self, address: str, token: str) -> None:
        self._right.pop(_digest(token), None)
        now, network = self._monotonic(), network_of(address)
        record = self._records.get(network)
        if record is None or record.last_at + FORGET_SECONDS < now:
            record = Record()
        record.wrong, record.last_at = record.wrong + 1, now
        remember(self._records, network, record)

    def note_right(self, token: str) -> None:
        remember(self._right, _digest(token), None)


def remember(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    """As the newest; what was remembered the longest ago goes where there is too much."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MOST:
        memory.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def network_of(address: str) -> str:
    """Of IPv6 the half that somebody is given as a whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
