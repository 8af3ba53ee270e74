"""The time a phase may take, not counting what it waits for people."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class PhaseClock:
    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._waiting = 0
        self._left: float | None = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The clock stands still while anybody is inside."""
        loop = asyncio.get_running_loop()
        if not self._waiting and (deadline := self._timeout.when()) is not None:
            self._left = deadline - loop.time()
            self._timeout.reschedule(None)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._left is not None:
                self._timeout.reschedule(loop.time() + self._left)


@asynccontextmanager
async def open_phase_clock(timeout_seconds: float) -> AsyncIterator[PhaseClock]:
    """Raises ``TimeoutError`` when the time inside is up."""
    async with asyncio.timeout(timeout_seconds) as timeout:
        yield PhaseClock(timeout)
