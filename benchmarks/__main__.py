"""``python -m benchmarks [NAME …]``: measures, and prints each figure beside its limit."""

import asyncio
import inspect
import sys

from benchmarks import latency, startup, turns

MEASUREMENTS = {"startup": startup.measure, "latency": latency.measure, "turns": turns.measure}


def main(names: list[str]) -> int:
    """1 where a limit is not kept."""
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        print(f"There is no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}.", file=sys.stderr)
        return 2
    kept = True
    for name in names or MEASUREMENTS:
        measured = MEASUREMENTS[name]()
        figures = asyncio.run(measured) if inspect.iscoroutine(measured) else measured
        for figure in figures:
            print(figure.as_row(), flush=True)
            kept = kept and figure.is_kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
