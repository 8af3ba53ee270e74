"""Time: where "now" comes from, and how a time is written on the wire."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, aware and in UTC. Handed in, so that tests own the time."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def from_wire(time: str) -> datetime:
    return datetime.fromisoformat(time)


def to_wire(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-11-23T04:00:00.000Z``."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"
