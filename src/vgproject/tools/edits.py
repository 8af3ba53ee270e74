"""Finding the text that an edit means: exactly, else but for trailing white space, else but for a constant indent.

Line ends never matter for finding; what is put in gets those of the file.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vgproject.tools.base import ToolFailure
from vgproject.workspace.text_files import TextFile, with_line_end

MAX_COMPARED_LINES = 20_000
MAX_COMPARED_CHARACTERS = 300
MAX_NAMED_LINES = 10


@dataclass(frozen=True)
class Edit:
    path: str
    old: str
    new: str
    replace_all: bool = False


class Edited(NamedTuple):
    text: str
    how: str
    """Said of an edit that did not match exactly."""


class Place(NamedTuple):
    """A range of the text, and what is to stand there."""

    start: int
    end: int
    new: str


def apply_edit(file: TextFile, edit: Edit) -> Edited:
    """The text with the edit made. Raises `ToolFailure` (``not_found``, ``ambiguous``)."""
    for find, how in (
        (_find_exactly, ""),
        (_find_but_for_trailing_space, "; it differed in trailing white space"),
        (_find_but_for_indent, "; it differed in its indent"),
    ):
        if places := find(file.text, edit):
            return Edited(_replace(file, _chosen(file.text, edit, places)), how)
    raise ToolFailure(
        f"The text is not in {edit.path}. {closest_lines(edit.old, file.text)} Read the file again.", code="not_found"
    )


def _chosen(text: str, edit: Edit, places: list[Place]) -> list[Place]:
    if len(places) == 1:
        return places
    if not edit.replace_all:
        raise ToolFailure(
            f"The text stands {len(places)} times in {edit.path}, at {name_lines(text, places)}: add what is around"
            " the one that is meant, or set replace_all.",
            code="ambiguous",
        )
    apart: list[Place] = []
    for place in places:
        if not apart or place.start >= apart[-1].end:
            apart.append(place)
    return apart


def name_lines(text: str, places: Sequence[Place]) -> str:
    numbers = [str(text.count("\n", 0, place.start) + 1) for place in places[:MAX_NAMED_LINES]]
    return f"lines {', '.join(numbers)}{' and more' if len(places) > MAX_NAMED_LINES else ''}"


def _replace(file: TextFile, places: list[Place]) -> str:
    pieces, at = [], 0
    for place in places:
        pieces += [file.text[at : place.start], with_line_end(place.new, file.line_end)]
        at = place.end
    return "".join([*pieces, file.text[at:]])


def _find_exactly(text: str, edit: Edit) -> list[Place]:
    line_end = "\r?\n" if "\n" in text else "\r"
    first, *others = [re.escape(line) for line in edit.old.replace("\r\n", "\n").split("\n")]
    pattern = line_end.join([first or r"(?<!\r)", *others]) if others else first
    found = re.finditer(rf"(?=({pattern}))", text)
    return [Place(match.start(1), match.end(1), edit.new) for match in found]


class Line(NamedTuple):
    start: int
    end: int
    """Where its text ends, before white space at its end and the line end."""
    stop: int
    """Where its line end begins."""
    next: int


def _lines(text: str) -> list[Line]:
    lines = []
    for match in re.finditer(r"[^\n]*\n|[^\n]+", text):
        line = match.group()
        body = line.removesuffix("\n").removesuffix("\r")
        start = match.start()
        lines.append(Line(start, start + len(body.rstrip()), start + len(body), match.end()))
    return lines


Fit = Callable[[list[str], list[str], str], str | None]
"""What to put in the place of some lines of a file for the wanted lines; ``None`` where they do not fit."""


def _find_but_for_trailing_space(text: str, edit: Edit) -> list[Place]:
    return _find_lines(text, edit, lambda have, want, new: new if have == want else None)


def _find_but_for_indent(text: str, edit: Edit) -> list[Place]:
    return _find_lines(text, edit, fit_indent)


def _find_lines(text: str, edit: Edit, fit: Fit) -> list[Place]:
    old = edit.old.replace("\r\n", "\n")
    whole = old.endswith("\n")
    wanted = [line.rstrip() for line in old.removesuffix("\n").split("\n")]
    if not any(wanted):
        return []
    lines = _lines(text)
    bodies = [text[line.start : line.end] for line in lines]
    hinge = next(index for index, line in enumerate(wanted) if line)
    stripped = wanted[hinge].lstrip()
    places = []
    for first in range(len(lines) - len(wanted) + 1):
        if bodies[first + hinge].lstrip() != stripped:
            continue
        new = fit(bodies[first : first + len(wanted)], wanted, edit.new)
        last = lines[first + len(wanted) - 1]
        if new is None:
            continue
        if whole and last.stop == last.next:  # The file's last line has no line end, and gets none.
            new = new.removesuffix("\n").removesuffix("\r")
        places.append(Place(lines[first].start, last.next if whole else last.stop, new))
    return places


def fit_indent(have: list[str], want: list[str], new: str) -> str | None:
    """``new`` with the indent that all of ``have`` has more, or less, than ``want``; ``None`` where it is not constant."""
    first_have, first_want = next((pair for pair in zip(have, want, strict=True) if pair[1]), ("", ""))
    by = len(first_have) - len(first_want)
    indent = first_have[:by] if by > 0 else first_want[:-by]
    if not indent or indent.strip():
        return None
    if by > 0:
        fits = all(there == (indent + line if line else "") for there, line in zip(have, want, strict=True))
        return _indented(new, indent) if fits else None
    fits = all(line == (indent + there if there else "") for there, line in zip(have, want, strict=True))
    return _outdented(new, indent) if fits else None


def _indented(text: str, indent: str) -> str:
    return "\n".join(indent + line if line.strip() else line for line in text.split("\n"))


def _outdented(text: str, indent: str) -> str | None:
    lines = text.split("\n")
    if any(line.strip() and not line.startswith(indent) for line in lines):
        return None
    return "\n".join(line.removeprefix(indent) for line in lines)


def closest_lines(wanted: str, text: str) -> str:
    """A sentence that names the lines most like the first one wanted, to help to find what was meant."""
    first = next((line.strip() for line in wanted.splitlines() if line.strip()), "")[:MAX_COMPARED_CHARACTERS]
    numbers: dict[str, int] = {}
    for number, line in enumerate(text.split("\n")[:MAX_COMPARED_LINES], start=1):
        if line.strip():
            numbers.setdefault(line.strip()[:MAX_COMPARED_CHARACTERS], number)
    found = difflib.get_close_matches(first, list(numbers), n=3, cutoff=0.5)
    if not found:
        return "No line is like it."
    return f"The closest lines are {'; '.join(f'{numbers[line]}: {line!r}' for line in found)}."
