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

    def __init__(self, number_field: str, *, known: tuple[int, str] | None = None) -> None:
        """``number_field`` counts 1, 2, 3, … ``known`` are number and hash of a record as it was seen before."""
        self._field = number_field
        self._known = known
        self.first: int | None = None
        self.last = 0
        self.head = START

    def take(self, record: Mapping[str, Any]) -> None:
        """Raises `BrokenChainError`. A chain may begin in its middle: what came before is then not known."""
        number = self._number_of(record)
        if self.first is None:
            self._begin(number, str(record.get("previous_hash")))
        elif number != self.last + 1:
            raise BrokenChainError(self.last + 1, f"is missing: {number} comes after {self.last}")
        if not _is_same(record.get("previous_hash"), self.head):
            raise BrokenChainError(number, "does not follow the one before it: one of the two is not as it was written")
        if not _is_same(record.get("hash"), hash_of(record)):
            raise BrokenChainError(number, "has been changed: its hash is not that of its content")
        if self._known and number == self._known[0] and not _is_same(record["hash"], self._known[1]):
            raise BrokenChainError(number, "is another than the one that was known: it, or what led to it")
        self.last, self.head = number, str(record["hash"])

    def finish(self) -> None:
        """To be called after the last record. Raises `BrokenChainError` where the one that was known has not come."""
        if self._known and not (self.first or 0) <= self._known[0] <= self.last:
            raise BrokenChainError(self._known[0], "is missing, though it was known")

    def _begin(self, number: int, previous: str) -> None:
        self.first, self.last = number, number - 1
        self.head = START if number == 1 else previous

    def _number_of(self, record: Mapping[str, Any]) -> int:
        number = record.get(self._field)
        if type(number) is not int or number < 1:
            raise BrokenChainError(self.last + 1, f"has no {self._field}")
        return number


def _is_same(given: object, known: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), known.encode())
