"""Opens what is in a directory and nothing outside of it, whatever symbolic links say and while they change.

A path is never checked first and opened later. Linux resolves it and refuses in the same call (``openat2``);
elsewhere each part is opened from its directory's descriptor, and a symbolic link is refused.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from vgproject.errors import WorkspaceError

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08
OPENAT2 = 437
AT_FDCWD = -100
TRIES = 50
"""How often the kernel is asked again when a path was renamed while it was resolved."""

Opener = Callable[[int, str, int], int]
"""Opens a relative path from a directory's descriptor, with flags."""


class OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def split_path(relative: str) -> tuple[str, ...]:
    """The parts of a path in the workspace, none for its top.

    Raises `WorkspaceError` (``outside_workspace``) for one that leaves the workspace or enters a ``.git``.
    """
    parts: list[str] = []
    for part in relative.split("/"):
        if part == ".." and not parts:
            raise outside(relative)
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if relative.startswith("/") or any(part.lower() == ".git" for part in parts):
        raise outside(relative)
    try:
        usable = b"\0" not in os.fsencode(relative)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise WorkspaceError(f"{relative!r} is not a path.", code="bad_path")
    return tuple(parts)


def outside(relative: str) -> WorkspaceError:
    return WorkspaceError(
        f"{relative!r} is not in the workspace: give a path relative to it, outside of .git.", code="outside_workspace"
    )


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Follow symbolic links as long as they stay below ``directory``; one that leaves it is ``EXDEV``."""
    how = OpenHow(flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    for _ in range(TRIES):
        descriptor = _libc().syscall(OPENAT2, directory, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if descriptor >= 0:
            return int(descriptor)
        if ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def open_step_by_step(directory: int, path: str, flags: int) -> int:
    """Without help of the kernel: part by part, and no symbolic link at all (``ELOOP``)."""
    *parents, name = path.split("/")
    at = os.dup(directory)
    try:
        for parent in parents:
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)


@cache
def best_opener() -> Opener:
    """The kernel's own, where it has it and lets us."""
    if not sys.platform.startswith("linux"):
        return open_step_by_step
    try:
        os.close(open_beneath(AT_FDCWD, ".", os.O_RDONLY | os.O_DIRECTORY))
    except OSError:
        return open_step_by_step
    return open_beneath


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@contextmanager
def open_directory(root: Path) -> Iterator[int]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def place_of(descriptor: int) -> str:
    """Where an open file really is; empty where the system does not tell."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""
