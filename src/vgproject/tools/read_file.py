"""Reading a text file, whole or a range of it."""

import asyncio
import os
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, ClassVar

from pydantic import Field

from vgproject.schema.base import JsonObject
from vgproject.tools.base import Arguments, Tool, ToolContext, ToolFailure, ToolResult, Word
from vgproject.utils.text import shorten
from vgproject.workspace.text_files import MARKS, TextFile, decode, media_type, sha256, split_lines

MAX_LINES = 2_000
MAX_LINE_CHARACTERS = 2_000
MAX_WHOLE_BYTES = 10 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


class ReadArguments(Arguments):
    path: Word
    offset: int = Field(default=1, ge=1, description="The first line to read, counted from 1.")
    limit: int = Field(default=MAX_LINES, ge=1, le=MAX_LINES)


class ReadFile(Tool):
    name = "read_file"
    description = "Read a text file of the workspace, with line numbers."
    arguments: ClassVar[type[ReadArguments]] = ReadArguments

    async def run(self, arguments: ReadArguments, context: ToolContext) -> ToolResult:
        return await asyncio.to_thread(_read, arguments, context)


def _read(arguments: ReadArguments, context: ToolContext) -> ToolResult:
    with context.workspace.files.open(arguments.path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_WHOLE_BYTES:
            return _read_range(file, size, arguments)
        content = file.read(MAX_WHOLE_BYTES)
    text = decode(content)
    if text is None:
        return _binary(arguments.path, len(content), content[:16])
    details: JsonObject = {
        "bytes": len(content),
        "sha256": sha256(content),
        "encoding": text.encoding,
        "line_ends": text.line_ends,
        "seen": {context.workspace.files.locate(arguments.path): sha256(content)},
    }
    lines = split_lines(context.mask(text.text))
    chosen = lines[arguments.offset - 1 : arguments.offset - 1 + arguments.limit]
    left = len(lines) - (arguments.offset - 1 + len(chosen))
    if not chosen and lines:
        raise ToolFailure(
            f"{arguments.path!r} has {len(lines)} lines: there is none at {arguments.offset}.", code="past_the_end"
        )
    summary = f"({len(lines)} lines, {len(content)} bytes, {text.encoding}, {text.line_ends}, sha256 {sha256(content)})"
    more = [f"… {left} more lines: read on with offset {arguments.offset + len(chosen)}."] if left > 0 else []
    return ToolResult(
        "\n".join([*_numbered(chosen, arguments.offset), *more, summary]), {"lines": len(lines), **details}
    )


def _read_range(file: BinaryIO, size: int, arguments: ReadArguments) -> ToolResult:
    """Some lines of a file that is too large to be held: what is after them is not read."""
    if not {"offset", "limit"} & arguments.model_fields_set:
        raise ToolFailure(
            f"{arguments.path!r} has {size} bytes, too many to be read whole: give offset and limit, or search in it.",
            code="too_large",
        )
    head = file.read(8_000)
    if b"\0" in head or head.startswith((MARKS["utf-16-le"], MARKS["utf-16-be"])):
        return _binary(arguments.path, size, head)
    file.seek(0)
    wanted = islice(_bounded_lines(file), arguments.offset - 1, arguments.offset - 1 + arguments.limit)
    raw = b"".join(line + b"\n" for line in wanted)
    text = decode(raw.removeprefix(MARKS["utf-8-sig"])) or TextFile(raw.decode("latin-1"), "latin-1")
    lines = split_lines(text.text)
    if not lines:
        raise ToolFailure(f"{arguments.path!r} has no line {arguments.offset}.", code="past_the_end")
    summary = f"({size} bytes, {text.encoding}; the lines above are not all)"
    return ToolResult(
        "\n".join([*_numbered(lines, arguments.offset), summary]), {"bytes": size, "encoding": text.encoding}
    )


def _bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines without their ends, none of them held longer than what is shown of it."""
    most = MAX_LINE_CHARACTERS * 4 + 1
    line = b""
    while chunk := file.readline(CHUNK_BYTES):
        line = (line + chunk)[:most] if len(line) < most else line
        if chunk.endswith(b"\n"):
            yield line.rstrip(b"\r\n")
            line = b""
    if line:
        yield line


def _numbered(lines: list[str], first: int) -> list[str]:
    return [f"{number:>6}\t{shorten(line, MAX_LINE_CHARACTERS)}" for number, line in enumerate(lines, start=first)]


def _binary(path: str, size: int, head: bytes) -> ToolResult:
    kind = media_type(path, head)
    return ToolResult(f"{path!r} is binary: {kind}, {size} bytes.", {"binary": True, "media_type": kind, "bytes": size})
