"""What a box costs: CPU time of a boxed ``true`` over a plain one."""

import asyncio
import json
import os
import resource
import tempfile
from pathlib import Path

from vgproject.workspace.sandbox.base import Place, Sandbox, SandboxSettings, Unconfined
from vgproject.workspace.sandbox.ownership import FIRST_UID, adopt
from vgproject.workspace.sandbox.probe import KINDS, probe

RUNS = 50


def measure() -> dict[str, float]:
    """Milliseconds of CPU a command, children and parent together, of each kind that works here."""
    return asyncio.run(_measure())


async def _measure() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        base = Path(path)
        place = _make_place(base)
        figures["plain_ms"] = await _time(Unconfined(), place)
        for name, new_sandbox in KINDS.items():
            sandbox = new_sandbox(SandboxSettings())
            if not await probe(sandbox, base / "probe"):
                figures[f"{name}_over_plain_ms"] = await _time(sandbox, place) - figures["plain_ms"]
    return {name: round(value, 2) for name, value in figures.items()}


def _make_place(base: Path) -> Place:
    base.chmod(0o711)
    uid = FIRST_UID if os.getuid() == 0 else None
    place = Place(base / "files", base / "home", base / "tmp", (), os.defpath, uid)
    for path in place.writable:
        path.mkdir(mode=0o700)
        if uid is not None:
            adopt(path, uid)
    return place


async def _time(sandbox: Sandbox, place: Place) -> float:
    began = _cpu()
    for _ in range(RUNS):
        with sandbox.launch(("true",), place) as launch:
            process = await asyncio.create_subprocess_exec(
                *launch.argv, pass_fds=launch.descriptors, env={"PATH": os.defpath, **launch.environment}
            )
            assert await process.wait() == 0
    return (_cpu() - began) * 1000 / RUNS


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
