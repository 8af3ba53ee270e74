"""Changing several files at once by a patch: all of it, or nothing."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field

from vgproject.errors import WorkspaceError
from vgproject.tools.base import Arguments, ToolContext, ToolFailure
from vgproject.tools.changes import ChangesFiles, Plan, as_text, encode, no_such_file, read_known
from vgproject.tools.git_patch import parse_git_patch
from vgproject.tools.hunks import MARK, MAX_PROBLEMS, apply_hunks
from vgproject.tools.listed_patch import BEGIN, parse_listed_patch
from vgproject.tools.patch import FilePatch
from vgproject.workspace.file_changes import FileWrite
from vgproject.workspace.paths import split_path
from vgproject.workspace.text_files import TextFile

MAX_PATCH_CHARACTERS = 2_000_000
MAX_TOTAL_BYTES = 50 * 1024 * 1024
NO_FILE = ("is_directory", "not_a_directory")


class PatchArguments(Arguments):
    patch: str = Field(
        min_length=1,
        max_length=MAX_PATCH_CHARACTERS,
        description="A diff as git writes it, or '*** Begin Patch', then '*** Update File: path' (with '*** Move to:"
        " path', '@@ a line above', and lines that begin with ' ', '-' or '+'), '*** Add File: path' or"
        " '*** Delete File: path', then '*** End Patch'. Lines that stay or go are exactly as in the file.",
    )


class ApplyPatch(ChangesFiles):
    name = "apply_patch"
    description = (
        "Change, add, delete and rename several files at once by a patch: all of it is done, or nothing. Hunks are"
        " found by the lines that stand around them; wrong line numbers do no harm."
    )
    arguments: ClassVar[type[PatchArguments]] = PatchArguments

    def plan(self, arguments: PatchArguments, context: ToolContext) -> Plan:
        files = _PatchedFiles(context)
        files.take_all(parse_patch(arguments.patch))
        writes = files.writes()
        if not writes:
            raise ToolFailure("The patch leaves every file as it is.", code="no_change")
        return Plan("\n".join([*map(_told, writes), *files.notes]), writes)


def parse_patch(text: str) -> list[FilePatch]:
    """Raises `ToolFailure` (``bad_patch``)."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if all(not line or line.endswith("\r") for line in lines):
        lines = [line.removesuffix("\r") for line in lines]
    first = next((line for line in lines if line.strip()), "")
    patches = parse_listed_patch(lines) if first.strip() == BEGIN else parse_git_patch(lines)
    if not patches:
        raise ToolFailure(
            f"The patch names no file: begin with '--- a/path' and '+++ b/path', or with {BEGIN!r}. Nothing was changed.",
            code="bad_patch",
        )
    return patches


def _told(write: FileWrite) -> str:
    if write.before is None:
        return f"Added {write.path}."
    return f"Deleted {write.path}." if write.after is None else f"Changed {write.path}."


@dataclass(frozen=True)
class _Draft:
    content: bytes
    executable: bool | None = None
    like: str | None = None
    """The file on disk that gives the mode."""


class _PatchedFiles:
    """The files as the patch makes them, in memory.

    Names are those before the patch, so that two files can change places; then those of files that it made itself.
    """

    def __init__(self, context: ToolContext) -> None:
        self.notes: list[str] = []
        self._context = context
        self._files = context.workspace.files
        self._before: dict[str, bytes | None] = {}
        self._edited: dict[str, _Draft] = {}
        self._placed: dict[str, _Draft] = {}
        self._gone: set[str] = set()
        self._leaving: set[str] = set()
        self._total = 0

    def take_all(self, patches: Sequence[FilePatch]) -> None:
        """Raises `ToolFailure` that names what does not fit, of all files."""
        problems: list[ToolFailure | WorkspaceError] = []
        for patch in patches:
            if patch.old is not None and patch.old != patch.new and not patch.copies:
                self._leaving.add(self._locate(patch.old))
        for patch in patches:
            try:
                problems += self._take(patch)
            except (ToolFailure, WorkspaceError) as problem:
                problems.append(problem)
            if len(problems) >= MAX_PROBLEMS:
                break
        if not problems:
            problems += self._occupied()
        if problems:
            shown = [problem.message for problem in problems[:MAX_PROBLEMS]]
            end = "Nothing was changed; there may be more that does not fit."
            raise ToolFailure(
                "\n".join([*shown, end if len(problems) >= MAX_PROBLEMS else "Nothing was changed."]),
                code=problems[0].code,
            )

    def writes(self) -> list[FileWrite]:
        found = []
        for path in sorted({*self._gone, *self._edited, *self._placed}):
            before = self._read(path)
            draft = self._placed.get(path) or (None if path in self._gone else self._edited[path])
            mode = self._mode(path, draft) if draft else None
            after = draft.content if draft else None
            if before != after or mode is not None:
                found.append(FileWrite(path, before, after, mode))
        return found

    def _take(self, patch: FilePatch) -> list[ToolFailure]:
        old = None if patch.old is None else self._locate(patch.old)
        new = None if patch.new is None else self._locate(patch.new)
        if old is None:
            draft = _Draft(b"")
        else:
            self._require_no_link(old, patch)
            draft = self._original(old) if patch.copies else self._current(old)
        changed, problems = self._changed(draft, old or new or "", patch)
        if problems:
            return problems
        if new is not None and new == old:
            (self._edited if self._is_original(new) else self._placed)[new] = changed
            return []
        if old is not None and not patch.copies:
            self._remove(old)
        if new is not None:
            self._place(new, changed)
        return []

    def _changed(self, draft: _Draft, path: str, patch: FilePatch) -> tuple[_Draft, list[ToolFailure]]:
        if patch.executable is not None:
            draft = replace(draft, executable=patch.executable)
        if not patch.hunks and patch.new is not None:
            return draft, []
        if patch.unseen:
            return draft, []
        file = as_text(draft.content, path)
        mark = MARK if file.encoding == "utf-8-sig" else ""
        text, notes, problems = apply_hunks(mark + file.text, path, patch.hunks, file.line_end)
        if patch.new is None and text and not problems:
            problems = [
                ToolFailure(
                    f"{path!r} holds more than the patch removes: read it, or remove it whole.", code="not_found"
                )
            ]
        self.notes += [f"{path}: {note}." for note in notes]
        marked = TextFile(text) if mark else replace(file, text=text)
        return replace(draft, content=encode(marked, path)) if not problems else draft, problems

    def _locate(self, path: str) -> str:
        try:
            return self._files.locate(path)
        except WorkspaceError as error:
            if error.code != "not_a_directory":
                raise
            parts = split_path(path)
            for length in range(1, len(parts)):
                above = "/".join(parts[:length])
                if above in self._leaving:  # It makes way for a directory.
                    return "/".join(parts)
            raise

    def _require_no_link(self, located: str, patch: FilePatch) -> None:
        """What is said to go away has to be the file itself."""
        *parents, name = split_path(patch.old or "") or (".",)
        if patch.new == patch.old or patch.copies:
            return
        if posixpath.normpath(posixpath.join(self._files.locate("/".join(parents)), name)) != located:
            raise ToolFailure(
                f"{patch.old!r} is a symbolic link to {located!r}: remove or rename it by a command.", code="is_link"
            )

    def _read(self, path: str) -> bytes | None:
        if path not in self._before:
            try:
                content = read_known(self._context, path)
            except WorkspaceError as error:
                if error.code not in NO_FILE:
                    raise
                content = None
            self._total += len(content or b"")
            if self._total > MAX_TOTAL_BYTES:
                raise ToolFailure("The files of the patch have more than 50 MiB: make several.", code="too_large")
            self._before[path] = content
        return self._before[path]

    def _is_original(self, path: str) -> bool:
        return path not in self._gone and self._read(path) is not None

    def _original(self, path: str) -> _Draft:
        content = self._read(path)
        if content is None:
            raise no_such_file(path)
        return _Draft(content, like=path)

    def _current(self, path: str) -> _Draft:
        if self._is_original(path):
            return self._edited.get(path) or self._original(path)
        if path in self._placed:
            return self._placed[path]
        if path in self._gone:
            raise ToolFailure(f"{path!r} is deleted or renamed by the patch already.", code="no_such_file")
        raise no_such_file(path)

    def _remove(self, path: str) -> None:
        if self._is_original(path):
            self._gone.add(path)
        else:
            del self._placed[path]

    def _place(self, path: str, draft: _Draft) -> None:
        if path in self._placed:
            raise ToolFailure(f"The patch makes {path!r} twice.", code="exists")
        self._placed[path] = draft

    def _occupied(self) -> list[ToolFailure]:
        taken = [path for path in self._placed if self._is_original(path)]
        return [
            ToolFailure(f"There is a file {path!r} already: change it, or delete it in the same patch.", code="exists")
            for path in taken
        ]

    def _mode(self, path: str, draft: _Draft) -> int | None:
        """``None`` where it stays, or is the usual one."""
        there = None if self._read(path) is None else self._files.mode(path)
        mode = self._files.mode(draft.like) if draft.like else there
        if draft.executable is True:
            mode = 0o755 if mode is None else mode | (mode & 0o444) >> 2
        elif draft.executable is False and mode is not None:
            mode &= ~0o111
        return None if mode == there else mode
