"""Reading, writing and editing files of the workspace."""

import difflib
import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from vgproject.schema.events import FileChange
from vgproject.tools.base import Arguments, Effect, Tool, ToolContext, ToolFailure, ToolResult
from vgproject.utils.text import shorten
from vgproject.workspace.workspace import Workspace

MAX_LINES = 2_000
MAX_LINE_CHARACTERS = 2_000
MAX_FILE_BYTES = 10 * 1024 * 1024


class ReadArguments(Arguments):
    path: str
    offset: int = Field(default=1, ge=1, description="The first line to read, counted from 1.")
    limit: int = Field(default=MAX_LINES, ge=1, le=MAX_LINES)


class ReadFile(Tool):
    name = "read_file"
    description = "Read a text file of the workspace, with line numbers."
    arguments = ReadArguments

    async def run(self, arguments: ReadArguments, context: ToolContext) -> ToolResult:
        text = read_text(context.workspace, arguments.path)
        lines = text.splitlines()
        chosen = lines[arguments.offset - 1 : arguments.offset - 1 + arguments.limit]
        numbered = [
            f"{number:>6}\t{shorten(line, MAX_LINE_CHARACTERS)}"
            for number, line in enumerate(chosen, start=arguments.offset)
        ]
        left = len(lines) - (arguments.offset - 1 + len(chosen))
        more = [f"… {left} more lines: read on with offset {arguments.offset + len(chosen)}."] if left > 0 else []
        return ToolResult("\n".join([*numbered, *more]) or "The file is empty.", {"lines": len(lines)})


class WriteArguments(Arguments):
    path: str
    content: str


class WriteFile(Tool):
    name = "write_file"
    description = "Create a file or replace all of its content."
    arguments = WriteArguments
    effect: ClassVar[Effect] = "checkable"

    async def run(self, arguments: WriteArguments, context: ToolContext) -> ToolResult:
        path = context.workspace.path(arguments.path)
        if path.is_dir():
            raise ToolFailure(f"{arguments.path!r} is a directory.", code="is_directory")
        before = read_text(context.workspace, arguments.path) if path.exists() else None
        write_text(path, arguments.content)
        change = _change(arguments.path, before, arguments.content)
        return ToolResult(f"Wrote {arguments.path} ({len(arguments.content)} characters).", changes=[change])


class EditArguments(Arguments):
    path: str
    old: str = Field(min_length=1, description="The text to replace, exactly as it is in the file.")
    new: str
    replace_all: bool = False


class EditFile(Tool):
    name = "edit_file"
    description = "Replace an exact and unique piece of text in a file."
    arguments = EditArguments
    effect: ClassVar[Effect] = "checkable"

    async def run(self, arguments: EditArguments, context: ToolContext) -> ToolResult:
        before = read_text(context.workspace, arguments.path)
        after = replace_text(before, arguments)
        write_text(context.workspace.path(arguments.path), after)
        return ToolResult(f"Edited {arguments.path}.", changes=[_change(arguments.path, before, after)])

    async def find_done(self, arguments: EditArguments, context: ToolContext) -> ToolResult | None:
        text = read_text(context.workspace, arguments.path)
        if arguments.old in text or arguments.new not in text:
            return None
        before = text.replace(arguments.new, arguments.old, 1)
        return ToolResult(f"Edited {arguments.path}.", changes=[_change(arguments.path, before, text)])


def replace_text(text: str, edit: EditArguments) -> str:
    """The text with the edit made. Raises `ToolFailure` where ``old`` is not there, or not once."""
    old, new = edit.old, edit.new
    if "\r\n" in text and "\r\n" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    count = text.count(old)
    if count == 1 or (count and edit.replace_all):
        return text.replace(old, new)
    if count:
        lines = [str(text.count("\n", 0, at) + 1) for at in _places(text, old)]
        raise ToolFailure(
            f"The text stands {count} times in {edit.path}, at lines {', '.join(lines)}: add what is around the one"
            " that is meant, or set replace_all.",
            code="ambiguous",
        )
    first = old.strip().partition("\n")[0]
    closest = difflib.get_close_matches(first, [line.strip() for line in text.splitlines()], n=3, cutoff=0.5)
    hint = f" The closest lines are: {'; '.join(repr(line) for line in closest)}." if closest else ""
    raise ToolFailure(f"The text is not in {edit.path}.{hint} Read the file again.", code="not_found")


def read_text(workspace: Workspace, relative: str) -> str:
    path = workspace.path(relative)
    if path.is_dir():
        raise ToolFailure(f"{relative!r} is a directory: use list_files.", code="is_directory")
    if not path.is_file():
        raise ToolFailure(f"There is no file {relative!r}.", code="no_such_file")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ToolFailure(f"{relative!r} is larger than 10 MiB: search in it instead.", code="too_large")
    content = path.read_bytes()
    if b"\0" in content[:8000]:
        raise ToolFailure(f"{relative!r} is binary ({len(content)} bytes).", code="binary")
    return content.decode("utf-8", errors="surrogateescape")


def write_text(path: Path, text: str) -> None:
    """Replace the file at once, keeping its mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.vgproject")
    part.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    if path.exists():
        part.chmod(path.stat().st_mode & 0o7777)
    os.replace(part, path)  # noqa: PTH105  (the same, and atomic by its documentation)


def _places(text: str, piece: str) -> list[int]:
    places: list[int] = []
    at = text.find(piece)
    while at >= 0 and len(places) < 10:
        places.append(at)
        at = text.find(piece, at + 1)
    return places


def _change(path: str, before: str | None, after: str) -> FileChange:
    diff = list(difflib.unified_diff((before or "").splitlines(), after.splitlines(), lineterm="", n=0))[2:]
    return FileChange(
        path=path,
        change="added" if before is None else "modified",
        additions=sum(line.startswith("+") for line in diff),
        deletions=sum(line.startswith("-") for line in diff),
    )
