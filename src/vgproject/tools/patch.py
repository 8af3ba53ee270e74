"""What a patch says: for each file, which pieces of it are to be otherwise."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from vgproject.tools.base import ToolFailure
from vgproject.utils.text import shorten

NO_LINE_END = "\\ "
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
ANCHOR = re.compile(r"@@(.*?)(?:@@)?\s*$")
MAX_SHOWN = 120


Sign = Literal[" ", "-", "+"]
SIGNS: dict[str, Sign] = {" ": " ", "-": "-", "+": "+"}


class HunkLine(NamedTuple):
    sign: Sign
    text: str
    """With a line feed at its end, but where the patch says that there is none."""


@dataclass(frozen=True)
class Hunk:
    number: int
    """In its file, from 1."""
    at: int
    """Its line in the patch."""
    lines: tuple[HunkLine, ...]
    first: int | None = None
    """The line of the file at which it is said to begin."""
    anchors: tuple[str, ...] = ()
    """Lines that come before it in the file, from the outermost on."""
    at_end: bool = False

    @cached_property
    def old(self) -> list[str]:
        return [line.text for line in self.lines if line.sign != "+"]

    @cached_property
    def new(self) -> list[str]:
        return [line.text for line in self.lines if line.sign != "-"]


@dataclass(frozen=True)
class FilePatch:
    """``old`` is the file it is made from, ``None`` for a new one; ``new`` what it becomes, ``None`` for a deletion."""

    old: str | None
    new: str | None
    hunks: Sequence[Hunk] = ()
    executable: bool | None = None
    """``None`` leaves the mode as it is."""
    copies: bool = False
    """``old`` stays."""
    unseen: bool = False
    """A deletion of whatever the file holds; else the hunks have to remove all of it."""


def bad_patch(line: int, problem: str) -> ToolFailure:
    return ToolFailure(f"Line {line} of the patch {problem}. Nothing was changed.", code="bad_patch")


def is_blank(line: str) -> bool:
    return line in ("", "\r")


def without_blank_end(lines: Sequence[str]) -> Sequence[str]:
    """Nobody means a line without anything, not even a sign, at the end of a hunk."""
    while lines and is_blank(lines[-1]):
        lines = lines[:-1]
    return lines


def read_hunk_lines(lines: Iterable[str], at: int) -> tuple[HunkLine, ...]:
    """``at`` is the number of the first one in the patch."""
    found: list[HunkLine] = []
    for number, line in enumerate(lines, start=at):
        if line.startswith(NO_LINE_END):
            if not found or not found[-1].text.endswith("\n"):
                raise bad_patch(number, "says that there is no line end, but follows no line")
            found[-1] = found[-1]._replace(text=found[-1].text[:-1])
            continue
        sign, text = (" ", line) if is_blank(line) else (line[0], line[1:])
        if sign not in SIGNS:
            raise bad_patch(
                number,
                f"is {shorten(line, MAX_SHOWN)!r}: in a hunk each line begins with ' ' (it stays), '-' (it goes) or"
                " '+' (it comes)",
            )
        found.append(HunkLine(SIGNS[sign], f"{text}\n"))
    return _with_ends_in_place(found, at)


def _with_ends_in_place(lines: list[HunkLine], at: int) -> tuple[HunkLine, ...]:
    for gone in ("+", "-"):
        side = [line for line in lines if line.sign != gone]
        if any(not line.text.endswith("\n") for line in side[:-1]):
            raise bad_patch(at, "begins a hunk that has lines after the one that has no line end")
    return tuple(lines)


def read_anchor(header: str) -> tuple[str, ...]:
    """The line that is named after ``@@``."""
    match = ANCHOR.match(header)
    name = match.group(1).strip() if match else ""
    return (name,) if name and name != "..." else ()
