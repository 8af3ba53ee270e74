"""The time a phase may take, not counting what it waits for people."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class PhaseClock:
    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The clock stands still inside."""
        loop = asyncio.get_running_loop()
        deadline = self._timeout.when()
        left = None if deadline is None else deadline - loop.time()
        self._timeout.reschedule(None)
        try:
            yield
        finally:
            self._timeout.reschedule(None if left is None else loop.time() + left)


@asynccontextmanager
async def open_phase_clock(timeout_seconds: float) -> AsyncIterator[PhaseClock]:
    """Raises ``TimeoutError`` when the time inside is up."""
    async with asyncio.timeout(timeout_seconds) as timeout:
        yield PhaseClock(timeout)
