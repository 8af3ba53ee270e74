"""The events of late of the sessions that are busy, so that followers need not ask the database."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Numbered(Protocol):
    @property
    def seq(self) -> int: ...

    @property
    def payload(self) -> bytes: ...


Event = TypeVar("Event", bound=Numbered)


class EventRing(Generic[Event]):
    """The last events of one session without a hole, up to ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._events: deque[Event] = deque()
        self._bytes = 0

    def extend(self, events: Sequence[Event]) -> None:
        """``events`` are without a hole; where another process wrote in between, what was there before is let go."""
        if self._events and events[0].seq != self._events[-1].seq + 1:
            self._events.clear()
            self._bytes = 0
        self._events.extend(events)
        for event in events:
            self._bytes += len(event.payload)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._events.popleft().payload)

    def after(self, seq: int, limit: int) -> list[Event] | None:
        """The first so many; ``None`` where the ring does not reach from ``seq`` on."""
        if not self._events or not self._events[0].seq - 1 <= seq <= self._events[-1].seq:
            return None
        start = len(self._events) - (self._events[-1].seq - seq)
        return [self._events[index] for index in range(start, min(start + limit, len(self._events)))]


class EventRings(Generic[Event]):
    """At most ``max_rings`` of them: the session that was longest without a new event loses its own."""

    def __init__(self, *, max_rings: int, max_bytes: int) -> None:
        self._max_rings = max_rings
        self._max_bytes = max_bytes
        self._rings: OrderedDict[str, EventRing[Event]] = OrderedDict()

    def extend(self, session_id: str, events: Sequence[Event]) -> None:
        ring = self._rings.get(session_id)
        if ring is None:
            ring = self._rings[session_id] = EventRing(self._max_bytes)
        self._rings.move_to_end(session_id)
        ring.extend(events)
        if len(self._rings) > self._max_rings:
            self._rings.popitem(last=False)

    def after(self, session_id: str, seq: int, limit: int) -> list[Event] | None:
        ring = self._rings.get(session_id)
        return ring.after(seq, limit) if ring else None

    def forget(self, session_id: str) -> None:
        self._rings.pop(session_id, None)
