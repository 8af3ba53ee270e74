"""``python -m benchmarks [NAME …]``: measures, and prints each figure beside its limit."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

from benchmarks import (
    checkpoints,
    delivery,
    event_log,
    latency,
    memory,
    page,
    recovery,
    retrieval,
    sandbox,
    startup,
    terminal,
    turns,
)
from benchmarks.figures import Figure

MEASUREMENTS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "startup": startup.measure,
    "latency": latency.measure,
    "turns": turns.measure,
    "memory": memory.measure,
    "recovery": recovery.measure,
    "retrieval": retrieval.measure,
    "sandbox": sandbox.measure,
    "event_log": event_log.measure,
    "checkpoints": checkpoints.measure,
    "delivery": delivery.measure,
    "terminal": terminal.measure,
    "page": page.measure,
}


def main(names: list[str]) -> int:
    """1 where a limit is not kept."""
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        print(f"There is no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}.", file=sys.stderr)
        return 2
    kept = True
    for name in names or MEASUREMENTS:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # The server's.
            figures = runner.run(_measure(name))
        for figure in figures:
            print(figure.as_row(), flush=True)
            kept = kept and figure.is_kept
    return 0 if kept else 1


async def _measure(name: str) -> list[Figure]:
    return await MEASUREMENTS[name]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
