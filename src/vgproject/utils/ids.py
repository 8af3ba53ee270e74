"""Opaque ids: ``ses_01jd…``, sortable by the time they were made, and ids derived from what they stand for."""

import hashlib
import secrets
import time
from collections.abc import Callable

NewId = Callable[[str], str]
"""Makes an id with the given prefix. Handed in, so that tests own the ids."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """An id like ``tsk_01jdg3…``: 48 bits of milliseconds, then 80 bits of chance, in Crockford's base 32."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return f"{prefix}_{_base32(number, length=26)}"


def derived_id(prefix: str, *parts: str) -> str:
    """The same parts always give the same id, so that a repeated command makes nothing twice."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"{prefix}_{_base32(int.from_bytes(digest[:16], 'big'), length=26)}"


def _base32(number: int, *, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(length)))
