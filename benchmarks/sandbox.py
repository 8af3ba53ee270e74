"""What a box costs: the CPU time of a boxed ``true`` over a plain one."""

import asyncio
import os
import resource
import tempfile
from pathlib import Path

from benchmarks.figures import Figure
from vgproject.workspace.sandbox.base import Place, Sandbox, SandboxSettings, Unconfined
from vgproject.workspace.sandbox.ownership import FIRST_UID, adopt
from vgproject.workspace.sandbox.probe import KINDS, probe

RUNS = 50


async def measure() -> list[Figure]:
    """Of each kind of box that works here: children and parent together."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        base = Path(path)
        place = _make_place(base)
        plain = await _time(Unconfined(), place)
        boxes = {name: new_sandbox(SandboxSettings()) for name, new_sandbox in KINDS.items()}
        working = {name: box for name, box in boxes.items() if not await probe(box, base / "probe")}
        return [
            Figure(f"a command in {name}, CPU over a plain one", await _time(box, place) - plain, "ms", 30)
            for name, box in working.items()
        ]


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
