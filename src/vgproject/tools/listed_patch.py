"""Patches between ``*** Begin Patch`` and ``*** End Patch``: files by name, places by the lines around them."""

from collections.abc import Sequence

from vgproject.tools.patch import (
    HUNK,
    FilePatch,
    Hunk,
    HunkLine,
    bad_patch,
    is_blank,
    read_anchor,
    read_hunk_lines,
    without_blank_end,
)
from vgproject.utils.text import shorten

BEGIN = "*** Begin Patch"
END = "*** End Patch"
ADD = "*** Add File:"
DELETE = "*** Delete File:"
UPDATE = "*** Update File:"
MOVE = "*** Move to:"
END_OF_FILE = "*** End of File"


def parse_listed_patch(lines: Sequence[str]) -> list[FilePatch]:
    """Raises `ToolFailure` (``bad_patch``)."""
    first = next(number for number, line in enumerate(lines) if not is_blank(line))
    last = len(without_blank_end(lines)) - 1
    if lines[last].strip() != END:
        raise bad_patch(last + 1, f"is the last one, but not {END!r}: give all of it")
    return _ListedReader(lines, first + 1, last).read()


class _ListedReader:
    """Reads the lines before ``end``."""

    def __init__(self, lines: Sequence[str], at: int, end: int) -> None:
        self._lines = lines
        self._at = at
        self._end = end

    def read(self) -> list[FilePatch]:
        patches = []
        while self._at < self._end:
            if is_blank(self._line()):
                self._at += 1
            else:
                patches.append(self._read_file())
        return patches

    def _line(self) -> str:
        return self._lines[self._at] if self._at < self._end else "*** "

    def _value_of(self, word: str) -> str | None:
        """What stands after ``word``, if the line begins with it; goes on to the next line."""
        if not self._line().startswith(word):
            return None
        value = self._line().removeprefix(word).strip()
        self._at += 1
        return value

    def _read_file(self) -> FilePatch:
        if (path := self._value_of(DELETE)) is not None:
            return FilePatch(path, None, unseen=True)
        if (path := self._value_of(ADD)) is not None:
            return FilePatch(None, path, self._read_content())
        if (path := self._value_of(UPDATE)) is not None:
            return self._read_update(path)
        raise bad_patch(
            self._at + 1, f"is {shorten(self._line(), 120)!r}: there has to be {UPDATE!r}, {ADD!r} or {DELETE!r}"
        )

    def _read_content(self) -> list[Hunk]:
        at = self._at
        lines = self._read_lines()
        if any(line.sign != "+" for line in lines):
            raise bad_patch(at, "begins a new file, in which each line has to begin with '+'")
        return [Hunk(1, at + 1, lines)] if lines else []

    def _read_lines(self) -> tuple[HunkLine, ...]:
        begin = self._at
        while not self._line().startswith(("*** ", "@@")):
            self._at += 1
        return read_hunk_lines(without_blank_end(self._lines[begin : self._at]), begin + 1)

    def _read_update(self, path: str) -> FilePatch:
        at = self._at
        moved = self._value_of(MOVE)
        hunks: list[Hunk] = []
        while not self._line().startswith("*** "):
            if is_blank(self._line()):
                self._at += 1
            else:
                hunks.append(self._read_hunk(len(hunks) + 1))
        if not hunks and moved is None:
            raise bad_patch(at, "begins an update that changes nothing")
        return FilePatch(path, moved or path, hunks)

    def _read_hunk(self, number: int) -> Hunk:
        at = self._at
        first: int | None = None
        anchors: list[str] = []
        while self._line().startswith("@@"):
            if match := HUNK.match(self._line()):
                first = int(match.group(1))
            else:
                anchors += read_anchor(self._line())
            self._at += 1
        lines = self._read_lines()
        if not lines:
            raise bad_patch(at + 1, "begins a hunk without lines")
        at_end = self._value_of(END_OF_FILE) is not None
        return Hunk(number, at + 1, lines, first, tuple(anchors), at_end)
