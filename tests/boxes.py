"""Boxes that tests run things in, of each kind."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vgproject.workspace.boxes import Boxes
from vgproject.workspace.processes import CommandResult
from vgproject.workspace.sandbox.base import Place, SandboxSettings
from vgproject.workspace.sandbox.cgroup import Groups
from vgproject.workspace.sandbox.ownership import adopt
from vgproject.workspace.sandbox.probe import KINDS

INTERPRETER = str(Path(sys.executable).resolve())
PATH = "/usr/local/bin:/usr/bin:/bin"


@contextmanager
def open_place(uid: int | None = None) -> Iterator[Place]:
    """A session's directories, where any user may pass, and beside them another session's file and a secret."""
    uid = uid or (1_900_000_000 + os.getpid() if os.getuid() == 0 else None)
    with tempfile.TemporaryDirectory(prefix="vgproject-boxes-", dir="/var/tmp") as path:
        base = Path(path)
        base.chmod(0o711)
        for name in ("files", "home", "tmp", "another"):
            (base / name).mkdir(mode=0o700)
        (base / "another" / "secret").write_text("the other session's secret")
        (base / "token").write_text("the server's token")
        (base / "token").chmod(0o600)
        readable = (Path(sys.base_prefix).resolve(),)
        yield Place(base / "files", base / "home", base / "tmp", readable, PATH, uid)


async def run_boxed(
    kind: str,
    place: Place,
    command: str,
    *,
    settings: SandboxSettings | None = None,
    seconds: float = 20,
    groups: Groups | None = None,
) -> CommandResult:
    """Run ``command`` as a workspace does."""
    settings = settings or SandboxSettings()
    if place.uid is not None:
        for path in place.writable:
            await asyncio.to_thread(adopt, path, place.uid)
    return await Boxes(KINDS[kind](settings), settings, groups).run(
        ("/bin/sh", "-c", command),
        place,
        cwd=place.root,
        environment={"PATH": PATH, "HOME": str(place.home)},
        timeout_seconds=seconds,
        on_output=lambda _: None,
    )


def python(place: Place) -> str:
    """An interpreter that the box's user may start: the test's own lies in root's home on some machines."""
    reachable = place.uid is None or all(parent.stat().st_mode & 0o001 for parent in Path(INTERPRETER).parents)
    return INTERPRETER if reachable else shutil.which("python3", path=PATH) or "python3"
