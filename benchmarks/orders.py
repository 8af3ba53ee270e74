"""What a measured process is told, line by line on its stdin, and at which pace it does it."""

import asyncio
import json
import sys
import time

LINE_BYTES = 1024 * 1024


async def obey_lines(worker: object) -> None:
    """One order after the other, until stdin ends: whoever started this process is gone then.

    An order is a JSON object whose ``do`` is the name of a method of ``worker``, the rest its arguments; its answer
    is a line on stdout.
    """
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        order = json.loads(line)
        answer = await getattr(worker, order.pop("do"))(**order)
        print(json.dumps(answer), flush=True)


class Pace:
    """Who is late catches up. Without a pace, others get their turn."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._due = time.monotonic()

    async def wait(self, steps: int) -> None:
        if self._per_second:
            self._due += steps / self._per_second
        await asyncio.sleep(max(0, self._due - time.monotonic()) if self._per_second else 0)


def stamped_text(size: int) -> str:
    """``size`` characters, with the time between two ``@``."""
    return f"@{time.monotonic_ns()}@".ljust(size, "x")
