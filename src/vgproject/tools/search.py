"""Finding files and text in the workspace, by ripgrep: what git ignores is not shown, and no link is followed.

ripgrep follows a symbolic link that it is given by name. So it is given none: it starts in a directory that was
opened safely, or reads one file from its standard input.
"""

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from vgproject.errors import WorkspaceError
from vgproject.tools.base import Arguments, Tool, ToolContext, ToolFailure, ToolResult, Word
from vgproject.utils.text import shorten
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.ripgrep import Found, Ripgrep

MAX_FILES = 500
MAX_MATCHES = 200
MAX_LINE_CHARACTERS = 500
LINE = re.compile(r"(\d+):(.*)")


class ListArguments(Arguments):
    path: Word = "."
    depth: int = Field(default=4, ge=1, le=20)


class ListFiles(Tool):
    name = "list_files"
    description = "List the files below a directory; ignored files are left out."
    arguments: ClassVar[type[ListArguments]] = ListArguments

    async def run(self, arguments: ListArguments, context: ToolContext) -> ToolResult:
        top = _existing(context, arguments.path)
        names, cut = await _files(context, top, arguments.depth)
        nothing = f"There are no files within {arguments.depth} levels."
        return _listing(names, MAX_FILES, "files", nothing, cut=cut)


class SearchArguments(Arguments):
    pattern: Word = Field(description="A regular expression, matched line by line.")
    path: Word = "."
    glob: Word | None = Field(default=None, description="Only files like this, as '*.py' or 'src/**/*.{ts,tsx}'.")


class SearchFiles(Tool):
    name = "search_files"
    description = "Search the workspace's files for a regular expression; answers path:line:text."
    arguments: ClassVar[type[SearchArguments]] = SearchArguments

    async def run(self, arguments: SearchArguments, context: ToolContext) -> ToolResult:
        top = _existing(context, arguments.path)
        words = ["--line-number", "--null", "--no-heading", "--color=never", "--max-columns=2000"]
        words += ["--max-columns-preview", f"--regexp={arguments.pattern}"]
        if arguments.glob:
            words.append(f"--glob={arguments.glob}")
        found = await _ripgrep(context, top, words)
        matches = list(_matches(found.output, top, in_one_file=not _is_directory(context.workspace.files, top)))
        if arguments.glob:
            matches = await _without_ignored(context, top, matches)
        lines = [":".join(match) for match in matches]
        return _listing(lines, MAX_MATCHES, "matches", "Nothing matches.", cut=found.cut)


async def _without_ignored(
    context: ToolContext, top: str, matches: list[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """To ripgrep a glob counts for more than the ignore rules; to us it does not."""
    if not _is_directory(context.workspace.files, top):
        return matches
    shown = set((await _files(context, top, None))[0])
    return [match for match in matches if match[0] in shown]


def _matches(output: str, top: str, *, in_one_file: bool) -> Iterator[tuple[str, str, str]]:
    """Path, line number and text. What ripgrep says is ``PATH NUL NUMBER:TEXT``; a path may hold a line's end."""
    if in_one_file:
        for line in output.split("\n")[:-1]:
            yield from _match(top, line)
        return
    path, *rest = output.split("\0")
    for piece in rest:
        line, _, following = piece.partition("\n")
        yield from _match(_below(top, path), line)
        path = following


def _match(path: str, line: str) -> Iterator[tuple[str, str, str]]:
    if match := LINE.fullmatch(line.removesuffix("\r")):
        yield path, match[1], match[2]


def _below(top: str, path: str) -> str:
    return path if top == "." else f"{top}/{path}"


async def _files(context: ToolContext, top: str, depth: int | None) -> tuple[list[str], bool]:
    """The files, and whether there were more than could be held."""
    if not _is_directory(context.workspace.files, top):
        return [top], False
    words = ["--files", "--null", *([] if depth is None else [f"--max-depth={depth}"])]
    found = await _ripgrep(context, top, words)
    return [_below(top, path) for path in found.output.split("\0")[:-1]], found.cut


async def _ripgrep(context: ToolContext, top: str, words: list[str]) -> Found:
    files, ripgrep = context.workspace.files, Ripgrep(context.workspace.root, context.workspace.top)
    try:
        if not _is_directory(files, top):
            with files.open(top) as file:
                return await ripgrep.search_file(file, words)
        with files.open_directory(top) as directory:
            return await ripgrep.walk(directory, words)
    except WorkspaceError as error:
        raise ToolFailure(error.message, code=error.code) from error


def _existing(context: ToolContext, path: str) -> str:
    files = context.workspace.files
    place = files.locate(path)
    if not _is_directory(files, place):
        with files.open(place):
            pass
    return place


def _is_directory(files: FileTree, place: str) -> bool:
    try:
        with files.open_directory(place):
            return True
    except WorkspaceError:
        return False


def _listing(lines: list[str], limit: int, what: str, nothing: str, *, cut: bool) -> ToolResult:
    shown = [shorten(line, MAX_LINE_CHARACTERS) for line in lines[:limit]]
    if cut:
        shown.append(f"… and more {what} than can be counted: narrow it down.")
    elif len(lines) > limit:
        shown.append(f"… and {len(lines) - limit} more {what}: narrow it down.")
    return ToolResult("\n".join(shown) or nothing, {"count": len(lines), "complete": not cut and len(lines) <= limit})
