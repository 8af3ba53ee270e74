"""Finding the places that a file's hunks mean, by what stands there, and putting in what is new.

All lines that a hunk keeps or removes have to stand there, one after the other and after the hunk before: exactly, else
but for line ends, else but for trailing white space, else but for a constant indent. A line number or a line after ``@@``
only chooses among such places; where it does not, and there are several, none is taken.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from vgproject.tools.base import ToolFailure
from vgproject.tools.edits import MAX_NAMED_LINES, closest_lines, fit_indent
from vgproject.tools.patch import Hunk, HunkLine
from vgproject.utils.text import shorten
from vgproject.workspace.text_files import LineEnd

MARK = "\ufeff"
MAX_PROBLEMS = 5
MAX_LOOKED_FOR = 3
MAX_SHOWN = 200


class Patched(NamedTuple):
    text: str
    notes: list[str]
    """Of hunks that were not found exactly where they were said to be."""
    problems: list[ToolFailure]
    """Of hunks that have no place; if there are any, ``text`` does not count."""


def apply_hunks(text: str, path: str, hunks: Sequence[Hunk], line_end: LineEnd) -> Patched:
    """``line_end`` is for new lines that were not given with those of the file."""
    if line_end == "\r" and not any("\r" in line.text for hunk in hunks for line in hunk.lines):
        patched = apply_hunks(text.replace("\r", "\n"), path, hunks, "\n")
        return patched._replace(text=patched.text.replace("\n", "\r"))
    image = _Image(text)
    pieces: list[str] = []
    notes: list[str] = []
    problems: list[ToolFailure] = []
    done = drift = 0
    for hunk in hunks:
        hunk = _with_last_line(image, hunk)
        try:
            place = _locate(image, hunk, done, drift)
        except _NoPlace as missing:
            problems.append(_failure(path, hunk, missing))
            if len(problems) == MAX_PROBLEMS:
                break
            continue
        if hunk.first:
            moved = place.first + 1 - hunk.first
            if moved != drift:
                notes.append(f"hunk {hunk.number} was found at line {place.first + 1}")
            drift = moved
        if place.level.how:
            notes.append(f"hunk {hunk.number} differed in {place.level.how}")
        pieces += image.lines[done : place.first]
        done = place.first + len(hunk.old)
        pieces += _new_lines(image, hunk, place, line_end)
    return Patched("".join([*pieces, *image.lines[done:]]), notes, problems)


class _NoPlace(Exception):  # noqa: N818  (caught where it becomes an answer to the model)
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def _failure(path: str, hunk: Hunk, missing: _NoPlace) -> ToolFailure:
    return ToolFailure(f"{path}, hunk {hunk.number} (line {hunk.at} of the patch): {missing.reason}", code=missing.code)


def _body(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r").removeprefix(MARK)


@dataclass(frozen=True)
class _Level:
    """How much has to be the same: what ``key`` makes of a line."""

    key: Callable[[str], str]
    how: str = ""
    """Said of a hunk that was found so."""


EXACTLY = _Level(str)
BUT_FOR_LINE_ENDS = _Level(_body)
BUT_FOR_TRAILING_SPACE = _Level(lambda line: _body(line).rstrip(), "trailing white space")
BUT_FOR_INDENT = _Level(lambda line: _body(line).strip(), "its indent")
LEVELS = (EXACTLY, BUT_FOR_LINE_ENDS, BUT_FOR_TRAILING_SPACE, BUT_FOR_INDENT)
LOOSE = (BUT_FOR_TRAILING_SPACE, BUT_FOR_INDENT)


class _Place(NamedTuple):
    first: int
    """Index of its first line."""
    level: _Level


class _Image:
    """The lines of a text, with their ends, and where each is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = [f"{line}\n" for line in text.split("\n")]
        self.lines[-1] = self.lines[-1][:-1]
        if not self.lines[-1]:
            self.lines.pop()
        self._keys: dict[_Level, list[str]] = {}
        self._indexes: dict[_Level, dict[str, list[int]]] = {}

    def keys(self, level: _Level) -> list[str]:
        if level not in self._keys:
            self._keys[level] = [level.key(line) for line in self.lines]
        return self._keys[level]

    def index(self, level: _Level) -> dict[str, list[int]]:
        if level not in self._indexes:
            index = self._indexes[level] = {}
            for number, key in enumerate(self.keys(level)):
                index.setdefault(key, []).append(number)
        return self._indexes[level]

    def find(self, hunk: Hunk, level: _Level) -> list[int]:
        """Where all old lines of the hunk stand."""
        wanted = [level.key(line) for line in hunk.old]
        if level in LOOSE and not any(wanted):
            return []
        index, keys = self.index(level), self.keys(level)
        rarest = min(range(len(wanted)), key=lambda number: len(index.get(wanted[number], ())))
        starts = [number - rarest for number in index.get(wanted[rarest], ())]
        size = len(wanted)
        at_end = _is_at_end(hunk)
        return [
            first
            for first in starts
            if first >= 0
            and keys[first : first + size] == wanted
            and (not at_end or first + size == len(keys))
            and (level is not BUT_FOR_INDENT or self.fit(hunk, first) is not None)
        ]

    def fit(self, hunk: Hunk, first: int) -> list[str] | None:
        """The hunk's added lines with the indent that stands at the place; ``None`` if it is not constant."""
        have = self.keys(BUT_FOR_TRAILING_SPACE)[first : first + len(hunk.old)]
        want = [BUT_FOR_TRAILING_SPACE.key(line) for line in hunk.old]
        added = [_body(line.text) for line in hunk.lines if line.sign == "+"]
        fitted = fit_indent(have, want, "\n".join(added))
        return None if fitted is None else fitted.split("\n")


def _is_at_end(hunk: Hunk) -> bool:
    return hunk.at_end or not all(line.text.endswith("\n") for line in hunk.lines)


def _locate(image: _Image, hunk: Hunk, start: int, drift: int) -> _Place:
    if not hunk.old:
        return _place_without_context(image)
    known = False
    for level in LEVELS:
        if known and level in LOOSE:
            break
        found = image.find(hunk, level)
        known = known or bool(found)
        places = [place for place in found if place >= start]
        expected = hunk.first - 1 + drift if hunk.first else None
        if expected in places:
            return _Place(expected, level)
        if hunk.anchors:
            places = _after_anchors(image, hunk.anchors, places)
        if len(places) == 1:
            return _Place(places[0], level)
        if places:
            raise _ambiguous(hunk, places)
    raise _NoPlace("not_found", _explain(image, hunk, start))


def _with_last_line(image: _Image, hunk: Hunk) -> Hunk:
    """Where a hunk is said to add to the end of the file, the last line is what stands around it."""
    if hunk.old or not hunk.at_end or not image.lines:
        return hunk
    return replace(hunk, lines=(HunkLine(" ", f"{_body(image.lines[-1])}\n"), *hunk.lines))


def _place_without_context(image: _Image) -> _Place:
    if image.lines:
        raise _NoPlace(
            "no_context",
            "it only adds lines, so nothing says where: give some lines that stand around the place, with ' ' before"
            " each.",
        )
    return _Place(0, EXACTLY)


def _after_anchors(image: _Image, anchors: Sequence[str], places: list[int]) -> list[int]:
    """For each place where the anchors stand one after the other, the next of ``places``."""
    ends = _ends_of(image, anchors)
    after = (bisect_left(places, end) for end in ends)
    return sorted({places[number] for number in after if number < len(places)})


def _ends_of(image: _Image, anchors: Sequence[str]) -> list[int]:
    ends = [-1]
    for number, anchor in enumerate(anchors):
        found = image.index(BUT_FOR_INDENT).get(anchor, [])
        if number == 0:
            ends = found
        else:
            after = (bisect_left(found, end + 1) for end in ends)
            ends = sorted({found[next_one] for next_one in after if next_one < len(found)})
    return ends


def _ambiguous(hunk: Hunk, places: list[int]) -> _NoPlace:
    numbers = ", ".join(str(place + 1) for place in places[:MAX_NAMED_LINES])
    more = " and more" if len(places) > MAX_NAMED_LINES else ""
    return _NoPlace(
        "ambiguous",
        f"{_looked_for(hunk)} stands {len(places)} times, at lines {numbers}{more}: add lines around the one that is"
        " meant, or name after '@@' a line above it that stands only once.",
    )


def _looked_for(hunk: Hunk) -> str:
    shown = shorten("".join(hunk.old[:MAX_LOOKED_FOR]), MAX_SHOWN)
    more = f" and {len(hunk.old) - MAX_LOOKED_FOR} more lines" if len(hunk.old) > MAX_LOOKED_FOR else ""
    return f"{shown!r}{more}"


def _explain(image: _Image, hunk: Hunk, start: int) -> str:
    """What was looked for, and the nearest that was found."""
    missing = f"{_looked_for(hunk)} is not there."
    everywhere = [place for level in LEVELS for place in image.find(hunk, level)]
    if everywhere and everywhere[0] < start:
        return (
            f"{_looked_for(hunk)} stands at line {everywhere[0] + 1}, which is not after the hunk before: give the"
            " hunks in the order of the file, and each line once."
        )
    if hunk.anchors and not _ends_of(image, hunk.anchors):
        return f"The line {hunk.anchors[-1]!r} after '@@' is not there. {closest_lines(hunk.anchors[-1], image.text)}"
    if everywhere and hunk.anchors:
        return f"{_looked_for(hunk)} stands only above {hunk.anchors[-1]!r}, at line {everywhere[0] + 1}."
    if _is_at_end(hunk):
        missing = f"{_looked_for(hunk)} is not at the end of the file."
    return f"{missing} {_nearest(image, hunk)}"


def _nearest(image: _Image, hunk: Hunk) -> str:
    """Where most of the hunk's first lines stand, and the line at which it goes wrong."""
    wanted = [BUT_FOR_INDENT.key(line) for line in hunk.old]
    keys = image.keys(BUT_FOR_INDENT)
    lead = next((number for number, line in enumerate(wanted) if line), 0)
    best, first = 0, 0
    for place in image.index(BUT_FOR_INDENT).get(wanted[lead], []):
        size = lead
        while size < len(wanted) and place - lead + size < len(keys) and keys[place - lead + size] == wanted[size]:
            size += 1
        if size > best:
            best, first = size, place - lead
    if not best:
        return closest_lines("".join(hunk.old), image.text)
    if best == len(wanted):
        return f"Its lines stand at line {first + lead + 1}, but with another indent or not at the end."
    there = "the file ends" if first + best >= len(keys) else f"the file has {_shown(image.lines[first + best])}"
    return (
        f"It begins as at line {first + lead + 1}, but then, at line {first + best + 1}, {there}, not"
        f" {_shown(hunk.old[best])}."
    )


def _shown(line: str) -> str:
    return repr(shorten(_body(line), MAX_SHOWN))


def _new_lines(image: _Image, hunk: Hunk, place: _Place, line_end: LineEnd) -> list[str]:
    """What is to stand at the place: lines that stay are those of the file, whatever the hunk takes them for."""
    if place.level is EXACTLY:
        return hunk.new
    fitted = image.fit(hunk, place.first) if place.level is BUT_FOR_INDENT else None
    added = iter(fitted or [_body(line.text) for line in hunk.lines if line.sign == "+"])
    there = iter(image.lines[place.first : place.first + len(hunk.old)])
    lines = []
    for line in hunk.lines:
        if line.sign == "+":
            lines.append(next(added) + line_end)
        elif (stays := next(there)) and line.sign == " ":
            lines.append(stays)
    if place.first + len(hunk.old) == len(image.lines):
        lines = _with_last_end(lines, line_end, ends=_has_last_end(image, hunk))
    if place.first == 0 and image.text.startswith(MARK):
        return [MARK, *(line.removeprefix(MARK) for line in lines)]
    return lines


def _has_last_end(image: _Image, hunk: Hunk) -> bool:
    """Whether the file is to end with a line end: as it did, unless the hunk tells otherwise."""
    before, after = (not side or side[-1].endswith("\n") for side in (hunk.old, hunk.new))
    return image.lines[-1].endswith("\n") if before == after else after


def _with_last_end(lines: list[str], line_end: LineEnd, *, ends: bool) -> list[str]:
    if not lines:
        return lines
    whole = [line if line.endswith("\n") else line + line_end for line in lines]
    return whole if ends else [*whole[:-1], whole[-1].removesuffix("\n").removesuffix("\r")]
