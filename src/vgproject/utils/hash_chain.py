"""Records that are chained by hashes: what was changed, left out, put in or moved later does not fit any more.

A record is an object of text, whole numbers, ``null`` and objects of these. Its ``hash`` is the SHA-256 of its canonical
JSON without ``hash``, and its ``previous_hash`` is the ``hash`` of the record before it.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

START = "0" * 64
"""The previous hash of the first record."""


class BrokenChainError(Exception):
    """``number`` is that of the first record that is not as it was written."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"Record {number} {reason}.")
        self.number = number


def canonical(value: Any) -> bytes:
    """As RFC 8785 writes it: keys in order, no white space, nothing escaped that need not be, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def hash_of(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({name: value for name, value in record.items() if name != "hash"})).hexdigest()


class ChainCheck:
    """Takes records in their order and says which is the first that is wrong."""

    def __init__(self, number_field: str, *, after: int = 0, known: Mapping[int, str] | None = None) -> None:
        """``number_field`` counts 1, 2, 3, …; the records come from ``after`` on. ``known`` are hashes of records as they
        were seen before, by number."""
        self._field = number_field
        self._after = after
        self._known = {0: START, **(known or {})}
        self.last = after
        self.head = self._known.get(after)
        """The hash of the last record; ``None`` where it is not known."""

    def take(self, record: Mapping[str, Any]) -> None:
        """Raises `BrokenChainError`."""
        number = self.last + 1
        if (given := record.get(self._field)) != number or type(given) is not int:
            raise BrokenChainError(number, f"is missing: in its place is {given!r}")
        previous, own = record.get("previous_hash"), hash_of(record)
        if not _is_same(previous, self.head or str(previous)):
            raise BrokenChainError(number, "does not follow the one before it: one of the two is not as it was written")
        if not _is_same(record.get("hash"), own):
            raise BrokenChainError(number, "has been changed: its hash is not that of its content")
        if not _is_same(own, self._known.get(number, own)):
            raise BrokenChainError(number, "is another than the one that was known: it, or what led to it")
        self.last, self.head = number, own

    def finish(self) -> None:
        """To be called after the last record. Raises `BrokenChainError` where one that was known has not come."""
        for number in sorted(self._known):
            if number > self.last:
                raise BrokenChainError(number, "is missing, though it was known")


def _is_same(given: object, known: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), known.encode())
