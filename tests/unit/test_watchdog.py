"""The watchdog over the loop of the test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stalls import BLOCKED, Stalls
from vgproject.config import Limits
from vgproject.watchdog import WINDOW_SECONDS, Watchdog


@contextmanager
def running(watchdog: Watchdog) -> Iterator[Watchdog]:
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


async def test_a_blocked_loop_is_logged_once_with_its_stack_and_then_how_long_it_was_blocked() -> None:
    limits = Limits(loop_blocked_seconds=0.05, loop_delay_seconds=0.05)
    delays: list[float] = []
    with Stalls() as stalls, running(Watchdog(limits, {}, observe=delays.append, ping_seconds=0.001)) as watchdog:
        stalls.block()
        await asyncio.to_thread(stalls.is_over.wait, 10)
        failure = watchdog.failure()
    first, last = stalls.said
    assert BLOCKED in first
    assert "stalls.block()" in first
    assert last.startswith("The event loop was blocked for ")
    assert max(delays) > 0.05
    assert failure
    assert failure.startswith("The event loop was blocked for ")


async def test_a_stall_counts_until_it_is_old() -> None:
    clock, asked, answered = [100.0], threading.Event(), asyncio.Event()

    def monotonic() -> float:
        moment = clock[0]
        asked.set()
        return moment

    limits, observe = Limits(loop_blocked_seconds=0.01), lambda seconds: answered.set() if seconds else None
    with running(Watchdog(limits, {}, observe=observe, ping_seconds=0.001, monotonic=monotonic)) as watchdog:
        assert watchdog.failure() is None
        asked.clear()
        assert asked.wait(10)
        clock[0] += 6
        await answered.wait()
        assert watchdog.failure() == "The event loop was blocked for 6.0 seconds; more than 5 are too many."
        clock[0] += WINDOW_SECONDS + 0.1
        assert watchdog.failure() is None


async def test_an_essential_part_that_has_ended_is_named() -> None:
    alive = {"writer": True, "queue": True}
    watchdog = Watchdog(Limits(), {name: lambda name=name: alive[name] for name in alive})  # type: ignore[misc]
    with running(watchdog):
        assert watchdog.failure() is None
        alive["writer"] = False
        assert watchdog.failure() == "An essential part of the server has ended: writer."
