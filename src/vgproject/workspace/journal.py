"""Changing many files of the user's as if at once: all is written beside and noted first, and finished after a crash."""

import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from vgproject.errors import ConflictError
from vgproject.workspace.merge import LINK, PLAIN, File

EXECUTABLE = "100755"


@dataclass(frozen=True)
class Write:
    """What ``path`` was found to be, and what it is to become."""

    path: str
    old: File | None
    new: File | None


@dataclass(frozen=True)
class Step:
    path: str
    old: str
    """A digest of the file as it was found."""
    new: str
    mode: str | None
    content: str | None
    """The file in the journal with the new content."""


class Journal:
    """``directory`` holds at most one unfinished set of writes. It is there, whole, before the first file changes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def pending(self) -> bool:
        return (self.directory / "journal.json").exists()

    def begin(self, top: Path, writes: Sequence[Write], note: dict[str, object]) -> None:
        part = self.directory.with_name(f"{self.directory.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        steps = []
        # What is deleted goes first: a file may take the place of a directory.
        for number, write in enumerate(sorted(writes, key=lambda write: write.new is not None)):
            name = None
            if write.new is not None:
                name = str(number)
                _write_durably(part / name, write.new.content)
            mode = write.new.mode if write.new else None
            steps.append(asdict(Step(write.path, digest(write.old), digest(write.new), mode, name)))
        _write_durably(part / "journal.json", json.dumps({"top": str(top), "steps": steps, "note": note}).encode())
        shutil.rmtree(self.directory, ignore_errors=True)
        part.rename(self.directory)
        _sync_directory(self.directory.parent)

    def finish(self) -> list[str]:
        """Make the writes that are not made yet. Returns files that somebody has changed since: they stay as they are."""
        stored = json.loads((self.directory / "journal.json").read_text())
        top = Path(stored["top"])
        left = []
        for step in (Step(**step) for step in stored["steps"]):
            found = digest(read_file(top, step.path))
            if found == step.old != step.new:
                self._make(top, step)
            elif found != step.new:
                left.append(step.path)
        return left

    def note(self) -> dict[str, object]:
        note: dict[str, object] = json.loads((self.directory / "journal.json").read_text())["note"]
        return note

    def end(self) -> None:
        (self.directory / "journal.json").unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make(self, top: Path, step: Step) -> None:
        place = top / step.path
        if step.mode is None or step.content is None:
            place.unlink()
            _remove_empty_parents(top, place)
            return
        _make_parents(top, place)
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
        part = place.with_name(f".vgproject-{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]}.part")
        part.unlink(missing_ok=True)
        content = (self.directory / step.content).read_bytes()
        if step.mode == LINK:
            part.symlink_to(os.fsdecode(content))
        else:
            _write_durably(part, content)
            part.chmod(_permissions(place, executable=step.mode == EXECUTABLE))
        _give_to_owner(top, part)
        part.replace(place)
        _sync_directory(place.parent)


@contextmanager
def hold_directory(directory: Path) -> Iterator[None]:
    """Raises `ConflictError` (``apply_running``) where another process holds it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConflictError(
            f"Another server is applying to {str(directory)!r} just now: try again.",
            code="apply_running",
            retryable=True,
        ) from error
    finally:
        os.close(descriptor)


def read_file(top: Path, path: str) -> File | None:
    """The file as git would see it; ``None`` if there is none, also where a parent is not an ordinary directory."""
    place = top
    for part in Path(path).parts[:-1]:
        place = place / part
        if place.is_symlink() or not place.is_dir():
            return None
    place = top / path
    try:
        found = place.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return File(LINK, os.fsencode(place.readlink()))
    if stat.S_ISREG(found.st_mode):
        return File(EXECUTABLE if found.st_mode & 0o100 else PLAIN, place.read_bytes())
    return None


def digest(file: File | None) -> str:
    return f"{file.mode} {hashlib.sha256(file.content).hexdigest()}" if file else "none"


def _permissions(place: Path, *, executable: bool) -> int:
    """Those of the file that is replaced, with the owner's right to execute for all who may read."""
    known = place.lstat() if os.path.lexists(place) else None
    mode = stat.S_IMODE(known.st_mode) if known and stat.S_ISREG(known.st_mode) else 0o644
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111


def _make_parents(top: Path, place: Path) -> None:
    missing = [parent for parent in place.parents if parent != top and top in parent.parents and not parent.is_dir()]
    for parent in reversed(missing):
        parent.mkdir()
        _give_to_owner(top, parent)


def _remove_empty_parents(top: Path, place: Path) -> None:
    for parent in place.parents:
        if parent == top or top not in parent.parents:
            return
        try:
            parent.rmdir()
        except OSError:
            return


def _give_to_owner(top: Path, place: Path) -> None:
    """A server that runs as root must leave no files of root's in somebody's project."""
    if os.geteuid() == 0:
        owner = top.stat()
        os.chown(place, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
