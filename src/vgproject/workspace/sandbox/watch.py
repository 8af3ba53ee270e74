"""Bounds that the kernel does not keep for a whole command: room on the disk, and memory where there is no cgroup."""

import asyncio
import os
from collections import defaultdict
from pathlib import Path
from typing import Literal

from vgproject.workspace.sandbox.base import Place, SandboxSettings

Excess = Literal["oom", "disk_limit"]
INTERVAL_SECONDS = 0.2
FREE_BYTES = 512 * 1024**2
"""Left for the rest of the machine, even by files that are deleted and still open."""
BLOCK = 4096


async def watch(pid: int, place: Place, settings: SandboxSettings, *, memory: bool = True) -> Excess:
    """Returns only when the command that ``pid`` began has too much; the caller then ends it.

    ``memory``: of that too, where no group of the kernel holds the command to it.
    """
    reserve = min(FREE_BYTES, _free(place.root) // 2)
    while True:
        if memory and await asyncio.to_thread(measure_memory, pid) > settings.memory_bytes:
            return "oom"
        used = await asyncio.to_thread(measure_disk, place.writable)
        if used > settings.disk_bytes or _free(place.root) < reserve:
            return "disk_limit"
        await asyncio.sleep(INTERVAL_SECONDS)


def measure_memory(pid: int) -> int:
    """Bytes that only the command's processes hold: ``pid``, all below it, and its process group."""
    children = defaultdict(list)
    members = {pid}
    for name in (path.name for path in Path("/proc").iterdir()):
        if name.isdigit() and (ids := _read_ids(name)):
            parent, group = ids
            children[parent].append(int(name))
            if group == pid:
                members.add(int(name))
    waiting = list(members)
    while waiting:
        found = [child for child in children[waiting.pop()] if child not in members]
        members.update(found)
        waiting += found
    return sum(_resident(member) for member in members)


def _read_ids(pid: str) -> tuple[int, int] | None:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(after_name[1]), int(after_name[2])


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def measure_disk(places: tuple[Path, ...]) -> int:
    """What the files take. An empty one counts as a block: it takes an inode, of which there are only so many."""
    total = 0
    waiting = [str(place) for place in places]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += max(entry.stat(follow_symlinks=False).st_blocks * 512, BLOCK)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total


def _free(place: Path) -> int:
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize
