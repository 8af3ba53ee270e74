"""Finding files and text in the workspace, by ripgrep: what git ignores is not shown."""

import shutil
import sysconfig
from pathlib import Path

from pydantic import Field

from vgproject.tools.base import Arguments, Tool, ToolContext, ToolFailure, ToolResult
from vgproject.utils.text import shorten

MAX_FILES = 500
MAX_MATCHES = 200


class ListArguments(Arguments):
    path: str = "."
    depth: int = Field(default=4, ge=1, le=20)


class ListFiles(Tool):
    name = "list_files"
    description = "List the files below a directory; ignored files are left out."
    arguments = ListArguments

    async def run(self, arguments: ListArguments, context: ToolContext) -> ToolResult:
        place = _existing(context, arguments.path)
        words = ["--files", "--hidden", "--glob", "!.git", "--max-depth", str(arguments.depth), "--sort", "path"]
        lines = await _ripgrep(context, *words, "--", str(place.relative_to(context.workspace.root)))
        return _listing(lines, MAX_FILES, "files", "There are no files.")


class SearchArguments(Arguments):
    pattern: str = Field(min_length=1, description="A regular expression.")
    path: str = "."
    glob: str | None = Field(default=None, description="Only files like this, as '*.py'.")


class SearchFiles(Tool):
    name = "search_files"
    description = "Search the workspace's files for a regular expression; answers path:line:text."
    arguments = SearchArguments

    async def run(self, arguments: SearchArguments, context: ToolContext) -> ToolResult:
        place = _existing(context, arguments.path)
        words = ["--line-number", "--no-heading", "--hidden", "--glob", "!.git", "--sort", "path", "--color", "never"]
        if arguments.glob:
            words += ["--glob", arguments.glob]
        words += ["--regexp", arguments.pattern, "--", str(place.relative_to(context.workspace.root))]
        return _listing(await _ripgrep(context, *words), MAX_MATCHES, "matches", "Nothing matches.")


def _existing(context: ToolContext, relative: str) -> Path:
    place = context.workspace.path(relative)
    if not place.exists():
        raise ToolFailure(f"There is no {relative!r}.", code="no_such_file")
    return place


async def _ripgrep(context: ToolContext, *words: str) -> list[str]:
    scripts = sysconfig.get_path("scripts")
    program = shutil.which("rg", path=scripts) or shutil.which("rg")
    if program is None:
        raise ToolFailure("ripgrep is not installed.", code="no_ripgrep")
    code, output, complaint = await context.workspace.read_with(program, "--no-config", *words)
    if code == 2:
        raise ToolFailure(f"The search failed: {complaint.strip()}", code="bad_pattern")
    return [line.removeprefix("./") for line in output.splitlines()]


def _listing(lines: list[str], limit: int, what: str, nothing: str) -> ToolResult:
    shown = [shorten(line, 500) for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"… and {len(lines) - limit} more {what}: narrow it down.")
    return ToolResult("\n".join(shown) or nothing, {"count": len(lines)})
