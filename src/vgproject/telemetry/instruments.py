"""Who is told of what the parts of a server do."""

from collections.abc import Callable
from dataclasses import dataclass

from vgproject.telemetry.spans import NO_SPANS, Spans


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Instruments:
    """By default nobody. What is called here must not block."""

    spans: Spans = NO_SPANS
    on_commit: Callable[[int, float], None] = _ignore
    """Events that were stored together, and the seconds that took."""
    on_delta: Callable[[str], None] = _ignore
    """The type of a delta."""


NO_INSTRUMENTS = Instruments()
