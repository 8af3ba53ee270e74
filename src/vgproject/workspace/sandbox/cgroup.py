"""Groups of the kernel (cgroup v2) that hold all processes of a command to its memory and its number, together.

They can be made by root, and by a server in a group that was given to it, as by systemd with ``Delegate=yes``.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from vgproject.workspace.sandbox.base import SandboxSettings

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "pids")
PREFIX = "vgproject-"
BEYOND = 8
"""Processes of the box itself."""
ATTEMPTS, ATTEMPT_SECONDS = 500, 0.01
"""Killed processes take a moment to be gone."""


class CommandGroup:
    """Of one command, with all that it starts."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def enter_first(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """``argv``, begun inside of the group."""
        return ("/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self._directory / "cgroup.procs"), *argv)

    def ran_out_of_memory(self) -> bool:
        return _count(self._directory / "memory.events", "oom_kill") > 0

    async def end(self) -> None:
        """Kill what is left, and remove the group."""
        with suppress(OSError):
            (self._directory / "cgroup.kill").write_text("1")
        for _ in range(ATTEMPTS):
            if _remove(self._directory):
                return
            await asyncio.sleep(ATTEMPT_SECONDS)


class Groups:
    """The server's own, in which each command gets one. ``missing`` says why there are none here, or is empty."""

    def __init__(self, mount: Path = MOUNT) -> None:
        self._base: Path | None = None
        self.missing = ""
        try:
            self._base = _make_base(mount)
        except (OSError, ValueError) as error:
            self.missing = str(error)

    @asynccontextmanager
    async def open_group(self, name: str, settings: SandboxSettings) -> AsyncIterator[CommandGroup | None]:
        if self._base is None:
            yield None
            return
        directory = self._base / name
        directory.mkdir()
        group = CommandGroup(directory)
        try:
            (directory / "memory.max").write_text(str(settings.memory_bytes))
            (directory / "memory.oom.group").write_text("1")
            (directory / "pids.max").write_text(str(settings.processes + BEYOND))
            with suppress(FileNotFoundError):
                (directory / "memory.swap.max").write_text("0")
            yield group
        finally:
            await group.end()

    def list_commands(self) -> list[str]:
        """Those that have a group now."""
        return [path.name for path in self._base.glob("cmd*")] if self._base else []

    def close(self) -> None:
        """The server goes back to where it was."""
        if self._base is not None:
            _leave(self._base)
            self._base = None


def _make_base(mount: Path) -> Path:
    """Raises `OSError` where the kernel does not let us, and `ValueError` where there is nothing to be had."""
    if not (mount / "cgroup.controllers").exists():
        raise ValueError("the machine has no cgroup v2")
    own = mount / _own_group().lstrip("/")
    lacking = set(CONTROLLERS) - set((own / "cgroup.controllers").read_text().split())
    if lacking:
        raise ValueError(f"the server's group has no control of {' and '.join(sorted(lacking))}")
    _remove_old(own)
    base = own / f"{PREFIX}{os.getpid()}"
    (base / "server").mkdir(parents=True)
    try:
        _enable(own, base)
    except OSError:
        _leave(base)
        raise
    return base


def _enable(own: Path, base: Path) -> None:
    """A group that hands out control has no processes of its own, so the server goes into one below."""
    wanted = " ".join(f"+{name}" for name in CONTROLLERS)
    if not set(CONTROLLERS) <= set((own / "cgroup.subtree_control").read_text().split()):
        (base / "server" / "cgroup.procs").write_text(str(os.getpid()))
        (own / "cgroup.subtree_control").write_text(wanted)
    (base / "cgroup.subtree_control").write_text(wanted)


def _leave(base: Path) -> None:
    if str(os.getpid()) in (base / "server" / "cgroup.procs").read_text().split():
        with suppress(OSError):
            for group in (base, base.parent):
                (group / "cgroup.subtree_control").write_text(" ".join(f"-{name}" for name in CONTROLLERS))
            (base.parent / "cgroup.procs").write_text(str(os.getpid()))
    _remove(base / "server")
    _remove(base)


def _remove_old(own: Path) -> None:
    """What servers left that were killed."""
    for base in own.glob(f"{PREFIX}*"):
        if not Path(f"/proc/{base.name.removeprefix(PREFIX)}").exists():
            for group in base.iterdir():
                if group.is_dir():
                    _remove(group)
            _remove(base)


def _remove(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _own_group() -> str:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    raise ValueError("the machine has no cgroup v2")


def _count(file: Path, name: str) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.split()[0] == name)
