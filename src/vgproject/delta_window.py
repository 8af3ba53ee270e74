"""What is said within a short time, as one delta for each text."""

import asyncio
from collections.abc import Callable

from vgproject.broker.base import Delta, TextKey


class DeltaWindow:
    """The first after a silence is due at once; what comes within ``seconds`` after that is due together, or earlier
    where it is more than ``max_characters``. ``due`` is called then, and is to `take` it."""

    __slots__ = ("_characters", "_due", "_max_characters", "_seconds", "_timer", "_waiting")

    def __init__(self, seconds: float, max_characters: int, due: Callable[[], None]) -> None:
        self._seconds = seconds
        self._max_characters = max_characters
        self._due = due
        self._waiting: dict[TextKey, Delta] = {}
        self._characters = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: TextKey, delta: Delta) -> None:
        waiting = self._waiting.get(key)
        if waiting is None or waiting["offset"] + len(waiting["text"]) != delta["offset"]:
            self._waiting[key] = dict(delta)
        else:
            waiting["text"] += delta["text"]
        self._characters += len(delta["text"])
        if self._timer is None or self._characters > self._max_characters:
            self._due()

    def take(self) -> list[Delta]:
        """What waits, in the order in which its texts began to; a new window begins."""
        taken = list(self._waiting.values())
        self._waiting.clear()
        self._characters = 0
        if taken:
            self._end()
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._on_end)
        return taken

    def _on_end(self) -> None:
        self._timer = None
        if self._waiting:
            self._due()

    def drop(self, key: TextKey) -> None:
        self._waiting.pop(key, None)

    def close(self) -> None:
        self._end()
        self._waiting.clear()

    def _end(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
