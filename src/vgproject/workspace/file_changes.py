"""Several files changed together: all or none, and known after a crash."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from vgproject.errors import WorkspaceError
from vgproject.schema.base import JsonObject
from vgproject.schema.events import FileChange
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.text_files import decode, sha256, split_lines


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
    after: str | None
    content: str | None
    """What is to be there, as hexadecimal digits."""
    mode: int | None


class Record(BaseModel):
    model_config = ConfigDict(frozen=True)

    call_id: str
    result: JsonObject
    writes: list[RecordedWrite]


class FileChanges:
    """Makes changes, one set at a time, and keeps a record of the last set outside of the workspace.

    The record is written before the first file, so that a set which a crash interrupted is finished, not begun again.
    """

    def __init__(self, record: Path, files: FileTree) -> None:
        self._record = record
        self._files = files

    def make(self, call_id: str, writes: Sequence[FileWrite], result: JsonObject) -> None:
        """All writes in their order, or none: what was written is put back where a later one fails.

        Raises `WorkspaceError` (``changed`` where a file is not as ``before`` any more).
        """
        self._keep(call_id, writes, result)
        begun: list[tuple[FileWrite, int | None]] = []
        try:
            for write in writes:
                self._require(write)
                begun.append((write, None if write.before is None else self._files.mode(write.path)))
                self._put(write.path, write.after, write.mode)
        except BaseException:
            for write, mode in reversed(begun):
                self._put_back(write, mode)
            self._record.unlink()
            raise

    def finish(self, call_id: str) -> JsonObject | None:
        """The result of the call that was interrupted, now done; ``None`` if it had not begun.

        Raises `WorkspaceError` (``interrupted``) where a file is neither as it was nor as it is to be.
        """
        record = self._last()
        if record is None or record.call_id != call_id:
            return None
        missing = [write for write in record.writes if not self._is_done(write)]
        for write in missing:
            content = None if write.content is None else bytes.fromhex(write.content)
            self._put(write.path, content, write.mode)
        return record.result

    def _is_done(self, write: RecordedWrite) -> bool:
        now = _hash(self._files.read_if_there(write.path))
        if now not in (write.before, write.after):
            raise WorkspaceError(
                f"The server was interrupted during this call, and {write.path!r} is now neither as it was nor as it"
                " was to be: read it, and do what is missing.",
                code="interrupted",
            )
        return now == write.after

    def _require(self, write: FileWrite) -> None:
        if self._files.read_if_there(write.path) != write.before:
            raise changed(write.path)

    def _put(self, path: str, content: bytes | None, mode: int | None) -> None:
        if content is not None:
            self._files.write(path, content, mode)
        else:
            self._files.delete(path)

    def _put_back(self, write: FileWrite, mode: int | None) -> None:
        if self._files.read_if_there(write.path) != write.before:
            self._put(write.path, write.before, mode)

    def _keep(self, call_id: str, writes: Sequence[FileWrite], result: JsonObject) -> None:
        recorded = [
            RecordedWrite(
                path=write.path,
                before=_hash(write.before),
                after=_hash(write.after),
                content=None if write.after is None else write.after.hex(),
                mode=write.mode,
            )
            for write in writes
        ]
        part = self._record.with_suffix(".part")
        part.write_bytes(orjson.dumps(Record(call_id=call_id, result=result, writes=recorded).model_dump()))
        os.replace(part, self._record)  # noqa: PTH105  (the same, and atomic by its documentation)

    def _last(self) -> Record | None:
        try:
            return Record.model_validate_json(self._record.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None


def changed(path: str) -> WorkspaceError:
    return WorkspaceError(f"{path!r} has changed since it was read: read it again.", code="changed")


def _hash(content: bytes | None) -> str | None:
    return None if content is None else sha256(content)
