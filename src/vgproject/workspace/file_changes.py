"""Several files changed together: all or none, and known after a crash."""

import difflib
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from vgproject.errors import WorkspaceError
from vgproject.schema.base import JsonObject
from vgproject.schema.events import FileChange
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.text_files import decode, split_lines


@dataclass(frozen=True)
class FileWrite:
    """What a file was and what it is to be; ``None`` is no file. ``mode`` is kept where it is not given."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None = None

    def as_change(self) -> FileChange:
        old, new = decode(self.before or b""), decode(self.after or b"")
        kind: Literal["added", "modified", "deleted"] = (
            "added" if self.before is None else "deleted" if self.after is None else "modified"
        )
        if old is None or new is None:
            return FileChange(path=self.path, change=kind, binary=True)
        lines = difflib.unified_diff(split_lines(old.text), split_lines(new.text), lineterm="", n=0)
        signs = [line[0] for line in list(lines)[2:]]
        return FileChange(path=self.path, change=kind, additions=signs.count("+"), deletions=signs.count("-"))


class RecordedWrite(BaseModel):
    model_config = ConfigDict(frozen=True)

    path: str
    before: str | None
    """What was there, in base 64, and ``after`` what is to be there."""
    after: str | None
    old_mode: int | None
    mode: int | None
    directory: str
    """This and those above it stay when empty directories are removed."""


class Record(BaseModel):
    model_config = ConfigDict(frozen=True)

    call_id: str
    result: JsonObject
    writes: list[RecordedWrite]


class FileChanges:
    """Makes changes, one set at a time, and keeps a record of the last set outside of the workspace.

    The record is written before the first file, so that a set which a crash interrupted is finished, not begun again.
    What is deleted goes first: a file may take the place of a directory.
    """

    def __init__(self, record: Path, files: FileTree) -> None:
        self._record = record
        self._files = files

    def make(self, call_id: str, writes: Sequence[FileWrite], result: JsonObject) -> None:
        """All writes, or none: what was written is put back where a later one fails.

        Raises `WorkspaceError` (``changed`` where a file is not as ``before`` any more).
        """
        ordered = sorted(writes, key=lambda write: write.after is not None)
        kept = _parents(write.path for write in writes if write.after is not None)
        record = Record(call_id=call_id, result=result, writes=[self._recorded(write, kept) for write in ordered])
        self._keep(record)
        self._make_all(record)

    def finish(self, call_id: str) -> JsonObject | None:
        """The result of the call that was interrupted, now done; ``None`` if it had not begun.

        Raises `WorkspaceError` (``interrupted``) where a file is neither as it was nor as it is to be. It is left
        alone, and the others are as they were before the call.
        """
        record = self._last()
        if record is None or record.call_id != call_id:
            return None
        strange = [write.path for write in record.writes if not self._is_known(write)]
        if strange:
            self._put_back(record)
            raise _interrupted(strange, alone=len(record.writes) == 1)
        self._make_all(record)
        return record.result

    def _recorded(self, write: FileWrite, kept: Set[str]) -> RecordedWrite:
        if not self._holds(write.path, write.before):
            raise changed(write.path)
        if write.after is None:
            directory = max(_parents([write.path]) & kept, key=len, default="")
        else:
            directory = self._files.nearest_directory(write.path)
        return RecordedWrite(
            path=write.path,
            before=_packed(write.before),
            after=_packed(write.after),
            old_mode=None if write.before is None else self._files.mode(write.path),
            mode=write.mode,
            directory=directory,
        )

    def _make_all(self, record: Record) -> None:
        try:
            for write in record.writes:
                self._make(write)
        except BaseException:
            self._put_back(record)
            self._record.unlink()
            raise

    def _make(self, write: RecordedWrite) -> None:
        before, after = _unpacked(write.before), _unpacked(write.after)
        done = before != after and self._holds(write.path, after)
        if not done and not self._holds(write.path, before):
            raise changed(write.path)
        if not done:
            self._put(write.path, after, write.mode)
        if after is None:
            self._files.prune(write.path, write.directory)

    def _put_back(self, record: Record) -> None:
        """All files that are as the record says; a file that is otherwise is somebody's."""
        left: list[str] = []
        for write in reversed(record.writes):
            before = _unpacked(write.before)
            self._files.remove_part(write.path)
            try:
                if self._holds(write.path, _unpacked(write.after)) and (write.before != write.after or write.mode):
                    self._put(write.path, before, write.old_mode)
            except WorkspaceError:
                left.append(write.path)
            if before is None:
                self._files.prune(write.path, write.directory)
        if left:
            raise WorkspaceError(
                f"The changes failed half-way, and {_names(left)} cannot be put back: read what is there.",
                code="half_done",
            )

    def _is_known(self, write: RecordedWrite) -> bool:
        return any(self._holds(write.path, _unpacked(content)) for content in (write.before, write.after))

    def _holds(self, path: str, content: bytes | None) -> bool:
        """A directory is no file: a deletion can make way for what is to be in its place."""
        try:
            return self._files.read(path) == content
        except WorkspaceError as error:
            return content is None and error.code in ("no_such_file", "not_a_directory", "is_directory")

    def _put(self, path: str, content: bytes | None, mode: int | None) -> None:
        if content is not None:
            self._files.write(path, content, mode)
        else:
            self._files.delete(path)

    def _keep(self, record: Record) -> None:
        part = self._record.with_suffix(".part")
        part.write_bytes(orjson.dumps(record.model_dump()))
        os.replace(part, self._record)  # noqa: PTH105  (the same, and atomic by its documentation)

    def _last(self) -> Record | None:
        try:
            return Record.model_validate_json(self._record.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def _interrupted(paths: Sequence[str], *, alone: bool) -> WorkspaceError:
    others = "" if alone else " The other files are as they were before it."
    return WorkspaceError(
        f"The server was interrupted during this call, and {_names(paths)} is now neither as before nor as it"
        f" was to be.{others} Read it, and do what is missing.",
        code="interrupted",
    )


def _parents(paths: Iterable[str]) -> set[str]:
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"."}


def _names(paths: Sequence[str]) -> str:
    return ", ".join(map(repr, paths))


def changed(path: str) -> WorkspaceError:
    return WorkspaceError(f"{path!r} has changed since it was read: read it again.", code="changed")


def _packed(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


def _unpacked(content: str | None) -> bytes | None:
    return None if content is None else b64decode(content)
