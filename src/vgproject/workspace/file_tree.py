"""The files of a workspace: read and written so that no path and no symbolic link leads out of it."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vgproject.errors import WorkspaceError
from vgproject.workspace.paths import (
    Opener,
    best_opener,
    open_directory,
    open_step_by_step,
    outside,
    place_of,
    split_path,
)

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""Without waiting, so that a named pipe holds nobody up."""


class FileTree:
    """All paths are relative to ``root``. Every method blocks, and raises `WorkspaceError` for what cannot be had."""

    def __init__(self, root: Path, opener: Opener | None = None) -> None:
        self._root = root
        self._open = opener or best_opener()

    def locate(self, path: str) -> str:
        """The same place without symbolic links; ``.`` for the top. What does not exist yet is below what does."""
        parts = split_path(path)
        with open_directory(self._root) as top:
            for length in range(len(parts), 0, -1):
                if (found := self._real(top, parts[:length], path)) is not None:
                    return "/".join(split_path("/".join((found, *parts[length:])))) or "."
        return "/".join(parts) or "."

    def _real(self, top: int, parts: tuple[str, ...], path: str) -> str | None:
        try:
            descriptor = self._open(top, "/".join(parts), FILE)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENXIO:  # A socket cannot be opened, but it is where its path says.
                return "/".join(parts)
            raise _explained(error, path) from error
        try:
            return self._below_top(top, descriptor, path) or "/".join(parts)
        finally:
            os.close(descriptor)

    def _below_top(self, top: int, descriptor: int, path: str) -> str:
        """Raises `WorkspaceError` where a symbolic link led into a ``.git``."""
        place, above = place_of(descriptor), place_of(top)
        if not place or place == above:
            return ""
        found = place.removeprefix(above.rstrip("/") + "/")
        if any(part.lower() == ".git" for part in found.split("/")):
            raise outside(path)
        return found

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """A regular file, for reading.

        Raises `WorkspaceError` (``no_such_file``, ``is_directory``, ``not_a_file``, ``outside_workspace``).
        """
        parts = split_path(path)
        if not parts:
            raise _is_directory(path)
        with open_directory(self._root) as top:
            try:
                descriptor = self._open(top, "/".join(parts), FILE)
            except OSError as error:
                raise _explained(error, path) from error
            try:
                self._below_top(top, descriptor, path)
                _require_regular(os.fstat(descriptor), path)
            except BaseException:
                os.close(descriptor)
                raise
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def read(self, path: str) -> bytes:
        with self.open(path) as file:
            return file.read()

    @contextmanager
    def open_directory(self, path: str) -> Iterator[int]:
        """The descriptor of a directory. Raises `WorkspaceError` (``no_such_file``, ``not_a_directory``)."""
        parts = split_path(path)
        with open_directory(self._root) as top:
            try:
                descriptor = self._open(top, "/".join(parts) or ".", DIRECTORY)
            except OSError as error:
                raise _explained(error, path) from error
            try:
                self._below_top(top, descriptor, path)
                yield descriptor
            finally:
                os.close(descriptor)

    def mode(self, path: str) -> int:
        with self.open(path) as file:
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Put ``content`` there at once by a rename, with its mode kept, and with the directories that it needs.

        A symbolic link to a file in the workspace stays, and the file that it leads to is written.
        """
        *parents, name = split_path(self.locate(path)) or (".",)
        with self._guarded(path), open_directory(self._root) as top, self._parent(top, parents, create=True) as parent:
            old = _status(parent, name)
            if old:
                _require_regular(old, path)
            _replace(parent, name, content, mode=mode, old=old)

    def delete(self, path: str) -> None:
        *parents, name = split_path(self.locate(path)) or (".",)
        with self._guarded(path), open_directory(self._root) as top, self._parent(top, parents, create=False) as parent:
            os.unlink(name, dir_fd=parent)

    def remove_part(self, path: str) -> None:
        """Remove what a crash may have left of a ``write`` to a located path."""
        *parents, name = split_path(path)
        with suppress(OSError), open_directory(self._root) as top, self._parent(top, parents, create=False) as parent:
            os.unlink(_part_of(name), dir_fd=parent)

    def prune(self, path: str, keep: str = "") -> None:
        """Remove the empty directories above a located path, but not ``keep`` and what is above that."""
        *parents, _ = split_path(path)
        while len(parents) > len(split_path(keep)):
            try:
                with open_directory(self._root) as top, self._parent(top, parents[:-1], create=False) as parent:
                    os.rmdir(parents.pop(), dir_fd=parent)
            except OSError:
                return

    def nearest_directory(self, path: str) -> str:
        """The one above a located path that is there; empty for the top."""
        *parents, _ = split_path(path)
        while parents:
            with suppress(WorkspaceError), self.open_directory("/".join(parents)):
                break
            parents.pop()
        return "/".join(parents)

    @contextmanager
    def _guarded(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _explained(error, path) from error

    @contextmanager
    def _parent(self, top: int, parents: list[str], *, create: bool) -> Iterator[int]:
        """The directory that a located path is in; a symbolic link that came into its way since is refused."""
        at = os.dup(top)
        try:
            for name in parents:
                if create:
                    _make_directory(at, name)
                below = open_step_by_step(at, name, DIRECTORY)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)


def _make_directory(parent: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
        made = open_step_by_step(parent, name, DIRECTORY)
        try:
            _give_to_owner(made, os.fstat(parent))
        finally:
            os.close(made)


def _replace(parent: int, name: str, content: bytes, *, mode: int | None, old: os.stat_result | None) -> None:
    part = _part_of(name)
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=parent)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            _give_to_owner(descriptor, old or os.fstat(parent))
            wanted = mode if mode is not None else stat.S_IMODE(old.st_mode) if old else None
            if wanted is not None:
                os.fchmod(descriptor, wanted)
        os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=parent)
        raise


def _part_of(name: str) -> str:
    """Where a file is written before it takes its place: always the same, so that a crash leaves nothing for good."""
    return f".vgproject-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.part"


def _give_to_owner(descriptor: int, like: os.stat_result) -> None:
    """A server that is root works for a user who is not: what it makes belongs to whom its surroundings belong to."""
    if os.geteuid() == 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)


def _status(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _require_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise _is_directory(path)
    if not stat.S_ISREG(status.st_mode):
        raise WorkspaceError(
            f"{path!r} is not a regular file: it is a broken link, a pipe, a socket or a device.", code="not_a_file"
        )


def _is_directory(path: str) -> WorkspaceError:
    return WorkspaceError(f"{path!r} is a directory: use list_files.", code="is_directory")


def _explained(error: OSError, path: str) -> WorkspaceError:
    match error.errno:
        case errno.ENOENT:
            return WorkspaceError(f"There is no file {path!r}.", code="no_such_file")
        case errno.EXDEV | errno.ELOOP:
            return outside(path)
        case errno.ENOTDIR | errno.EEXIST:
            return WorkspaceError(f"A part of {path!r} is a file, not a directory.", code="not_a_directory")
        case errno.EISDIR:
            return _is_directory(path)
        case errno.ENXIO:
            return WorkspaceError(f"{path!r} is not a regular file.", code="not_a_file")
        case _:
            return WorkspaceError(f"{path!r} cannot be used: {error.strerror}.", code="file_error")
