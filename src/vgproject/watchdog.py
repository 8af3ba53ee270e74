"""Whether the process still does its work: the event loop answers in time, and its essential parts have not ended."""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from vgproject.config import Limits

logger = logging.getLogger(__name__)

PING_SECONDS = 0.5
WINDOW_SECONDS = 10.0
"""How long a delay counts. A stall that passes fails one probe of Kubernetes, whose period this is; one that comes
again and again fails as many in a row as it takes to be restarted."""

IsAlive = Callable[[], bool]


class Watchdog:
    """A thread asks the loop again and again to answer, as a client would. Made and asked on the loop.

    A blocked loop cannot say so itself, so the thread logs where it is, once for each stall.
    """

    def __init__(
        self,
        limits: Limits,
        parts: Mapping[str, IsAlive],
        *,
        observe: Callable[[float], None] = lambda seconds: None,
        ping_seconds: float = PING_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``parts`` are the essential ones; ``observe`` is given each delay of the loop in seconds."""
        self._limits = limits
        self._parts = parts
        self._observe = observe
        self._ping_seconds = ping_seconds
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._delays: deque[tuple[float, float]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ping_always, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait for the thread, which may wait for this one."""
        self._stop.set()

    def failure(self) -> str | None:
        """What is wrong, in a sentence."""
        if ended := [name for name, is_alive in self._parts.items() if not is_alive()]:
            return f"An essential part of the server has ended: {', '.join(ended)}."
        if not self._thread.is_alive():
            return "An essential part of the server has ended: watchdog."
        worst, bound = self.worst_delay(), self._limits.loop_delay_seconds
        if worst > bound:
            return f"The event loop was blocked for {worst:.1f} seconds; more than {bound:g} are too many."
        return None

    def worst_delay(self) -> float:
        """The longest of late, in seconds."""
        self._forget_old()
        return max((seconds for _, seconds in self._delays), default=0.0)

    def _forget_old(self) -> None:
        oldest = self._monotonic() - WINDOW_SECONDS
        while self._delays and self._delays[0][0] < oldest:
            self._delays.popleft()

    def _ping_always(self) -> None:
        while not self._stop.wait(self._ping_seconds):
            try:
                self._ping()
            except RuntimeError:
                return  # The loop is closed.

    def _ping(self) -> None:
        answered = threading.Event()
        asked_at = self._monotonic()
        self._loop.call_soon_threadsafe(self._answer, asked_at, answered)
        if answered.wait(self._limits.loop_blocked_seconds):
            return
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  (documented, in spite of its name)
        stack = "".join(traceback.format_stack(frame)) if frame else "It is gone."
        logger.error(
            "The event loop has been blocked for %.1f seconds; it is here:\n%s", self._monotonic() - asked_at, stack
        )
        while not answered.wait(self._ping_seconds):
            if self._stop.is_set():
                return
        logger.error("The event loop was blocked for %.1f seconds", self._monotonic() - asked_at)

    def _answer(self, asked_at: float, answered: threading.Event) -> None:
        """On the loop."""
        now = self._monotonic()
        self._forget_old()
        self._delays.append((now, now - asked_at))
        answered.set()
        self._observe(now - asked_at)


@asynccontextmanager
async def run_watchdog(
    limits: Limits, parts: Mapping[str, IsAlive], *, observe: Callable[[float], None] = lambda seconds: None
) -> AsyncIterator[Watchdog]:
    watchdog = Watchdog(limits, parts, observe=observe)
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()
