"""How much the program takes to start, and to wait."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.server import research_of, serving, write_script

RUNS = 5


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        model = write_script(directory, research_of(1))
        cpu: list[float] = []
        resident: list[float] = []
        for number in range(RUNS):
            with serving(directory / str(number), model=model) as server:
                cpu.append(server.cpu_seconds())
                resident.append(server.resident_bytes() / 1e6)
    return [
        Figure("vgproject --help, CPU", percentile([_help_seconds() for _ in range(RUNS)], 0.5), "s", 0.5),
        Figure("serve until /readyz, CPU", percentile(cpu, 0.5), "s", 2.5),
        Figure("idle server, resident", percentile(resident, 0.5), "MB", 150),
    ]


def _help_seconds() -> float:
    process = subprocess.Popen([sys.executable, "-m", "vgproject.main", "--help"], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime
