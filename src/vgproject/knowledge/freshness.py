"""Whether a file still says what was noted of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vgproject.schema.events import RecalledEntry
from vgproject.schema.memory import Place

SEARCHED_LINES = 20_000
"""In a longer file, lines that have moved are not looked for."""


class FileReader(Protocol):
    """The session's files, by their path in the project. No path leads out of it."""

    def read_text(self, path: str) -> str | None:
        """``None`` where there is no such text."""

    def exists(self, path: str) -> bool: ...


@dataclass(frozen=True)
class Freshness:
    """``told`` is a sentence where the file differs from when it was noted; ``place`` is where the text stands now."""

    place: Place | None = None
    stale: bool = False
    told: str | None = None


def with_freshness(entry: RecalledEntry, files: FileReader) -> RecalledEntry:
    """``entry``, marked as stale where it is, and with the place where its text stands now."""
    found = check_freshness(entry, files)
    if not found.told:
        return entry
    return entry.model_copy(update={"place": found.place, "stale": found.stale, "file_now": found.told})


def check_freshness(entry: RecalledEntry, files: FileReader) -> Freshness:
    """Its content has to be whole. Of one without a place, only a related file can be stale."""
    place = entry.place
    if place is None:
        path = entry.content.strip()
        if entry.kind != "related_file" or len(path.split()) != 1 or files.exists(path):
            return Freshness()
        return Freshness(stale=True, told=f"There is no file {path!r} any more.")
    if not files.exists(place.path):
        return Freshness(place, stale=True, told=f"There is no file {place.path!r} any more.")
    wanted = _Wanted.of(entry, place)
    if wanted is None:
        return Freshness(place)
    lines = split_text(files.read_text(place.path) or "")
    start = find_lines(lines, wanted.digest, wanted.count, near=wanted.start)
    if start is None:
        return Freshness(place, stale=True, told=f"{place.path!r} does not have this text any more.")
    if start == wanted.start:
        return Freshness(place)
    moved = place.model_copy(update={"start_line": start, "end_line": start + wanted.count - 1})
    return Freshness(moved, told=f"It stands at lines {start} to {moved.end_line} of {place.path!r} now.")


@dataclass(frozen=True)
class _Wanted:
    digest: str
    count: int
    start: int

    @classmethod
    def of(cls, entry: RecalledEntry, place: Place) -> "_Wanted | None":
        """The lines that the entry is about; ``None`` where it is about the file as a whole."""
        if place.sha256 and place.start_line:
            return cls(place.sha256, (place.end_line or place.start_line) - place.start_line + 1, place.start_line)
        if entry.kind != "key_snippet":
            return None
        lines = split_text(entry.content)
        return cls(digest_of_lines(lines), len(lines), place.start_line or 0)


def split_text(text: str) -> list[str]:
    """Its lines without their ends."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def digest_of_lines(lines: Sequence[str]) -> str:
    """White space at the ends of lines does not count."""
    return hashlib.sha256("\n".join(line.rstrip() for line in lines).encode()).hexdigest()


def find_lines(lines: Sequence[str], digest: str, count: int, *, near: int = 1) -> int | None:
    """The first of the ``count`` lines, from 1, that have this digest: those nearest to line ``near``."""
    if count > len(lines):
        return None
    if near >= 1 and digest_of_lines(lines[near - 1 : near - 1 + count]) == digest:
        return near
    if len(lines) > SEARCHED_LINES:
        return None
    starts = sorted(range(1, len(lines) - count + 2), key=lambda start: abs(start - near))
    return next((start for start in starts if digest_of_lines(lines[start - 1 : start - 1 + count]) == digest), None)
