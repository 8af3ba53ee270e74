"""Namespaces by bubblewrap: the command sees only its own processes, network and files.

Where the server is root, the box is made by root without a user namespace and the command's user is changed inside:
with a mapped root, ``/proc/sys`` would stay writable. Where the server is not root, a user namespace does both.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vgproject.workspace.sandbox.base import Launch, Level, Place, SandboxSettings
from vgproject.workspace.sandbox.seccomp import build_filter
from vgproject.workspace.sandbox.syscalls import IN_NAMESPACES
from vgproject.workspace.sandbox.view import ETC, SYSTEM, find_toolchains

SHARED_MEMORY_BYTES = 256 * 1024**2


class Bubblewrap:
    name = "bubblewrap"
    level: Level = "full"

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._user_home = Path.home()

    @contextmanager
    def launch(self, argv: tuple[str, ...], place: Place) -> Iterator[Launch]:
        with _descriptor(build_filter(IN_NAMESPACES)) as seccomp:
            words = (shutil.which("bwrap") or "bwrap", *_namespaces(place.uid), *self._files(place))
            filtered = ("--seccomp", str(seccomp)) if seccomp is not None else ()
            # The directory is the other user's alone: only after the change can it be entered.
            inside = (*self._limits(), *_change_user(place.uid), "env", "-C", str(place.root), *argv)
            yield Launch(
                (*words, *filtered, "--", *inside),
                (seccomp,) if seccomp is not None else (),
                {"TMPDIR": "/tmp", "USER": "agent", "LOGNAME": "agent"},
            )

    def _files(self, place: Place) -> list[str]:
        readable = [*self._readable(place)]
        words = [*_system(), "--proc", "/proc", "--dev", "/dev"]
        words += ["--perms", "1777", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
        words += self._temporary(place, readable)
        words += _parents([*readable, place.root, place.home])
        for path in readable:
            words += ["--ro-bind", str(path), str(path)]
        for path in (place.root, place.home):
            words += ["--bind", str(path), str(path)]
        return [*words, "--remount-ro", "/", "--chdir", "/"]

    def _readable(self, place: Place) -> list[Path]:
        wanted = [*find_toolchains(place.path_variable, self._user_home), *self._settings.readable, *place.readable]
        return sorted({path for path in wanted if path.exists()})

    def _temporary(self, place: Place, readable: list[Path]) -> list[str]:
        """The session's own directory, unless something is mounted below it.

        A link that the session left in it could then lead bubblewrap, as root, to a place outside.
        """
        if any(path.is_relative_to("/tmp") for path in (*readable, place.root, place.home)):
            return ["--perms", "1777", "--size", str(self._settings.memory_bytes // 4), "--tmpfs", "/tmp"]
        return ["--bind", str(place.temporary), "/tmp"]

    def _limits(self) -> tuple[str, ...]:
        return (
            "prlimit",
            f"--data={self._settings.memory_bytes}",
            f"--fsize={self._settings.file_bytes}",
            f"--nproc={self._settings.processes}",
            "--nofile=4096",
            "--core=0",
            "--",
        )


def _namespaces(uid: int | None) -> list[str]:
    words = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--die-with-parent", "--new-session"]
    if uid is None:
        return ["--unshare-user", *words, "--cap-drop", "ALL"]
    return [*words, "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]


def _change_user(uid: int | None) -> tuple[str, ...]:
    if uid is None:
        return ()
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--")


def _system() -> Iterator[str]:
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.exists():
            yield from ("--ro-bind", name, name)
    yield from ("--perms", "0755", "--dir", "/etc")
    for name in ETC:
        if Path(name).exists():
            yield from (*_parents([Path(name)]), "--ro-bind", str(Path(name).resolve()), name)


def _parents(paths: Iterable[Path]) -> list[str]:
    """Made one by one because bubblewrap 0.8 makes those that it needs 0700, which an other user cannot enter."""
    parents = {parent for path in paths for parent in path.parents} - {Path("/"), Path("/etc"), Path("/tmp")}
    return [word for parent in sorted(parents) for word in ("--perms", "0755", "--dir", str(parent))]


@contextmanager
def _descriptor(content: bytes | None) -> Iterator[int | None]:
    """A file in memory that a child can inherit and read from its beginning."""
    if content is None:
        yield None
        return
    descriptor = os.memfd_create("seccomp", 0)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
