"""Patches as ``git diff`` and ``diff -u`` write them. Counts that are wrong do not matter; line numbers are hints."""

import os
import re
from collections.abc import Sequence

from vgproject.tools.base import ToolFailure
from vgproject.tools.patch import (
    HUNK,
    NO_LINE_END,
    FilePatch,
    Hunk,
    bad_patch,
    is_blank,
    read_anchor,
    read_hunk_lines,
    without_blank_end,
)

GIT = "diff --git "
HEADER = re.compile(
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to"
    r"|similarity index|dissimilarity index|index) (.*)"
)
BINARY = re.compile(r"Binary files .* differ\r?$|GIT binary patch\r?$")
AFTER_HUNK = ("@@", "diff ", "Index: ", "From ")
SIGNATURE = "-- "
NOTHING = "/dev/null"
ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
QUOTED = r'"(?:[^"\\]|\\.)*"'


def parse_git_patch(lines: Sequence[str]) -> list[FilePatch]:
    """Raises `ToolFailure` (``bad_patch``). What stands before the first file is a message, and left out."""
    patches = []
    at = 0
    while at < len(lines):
        if _begins_file(lines, at):
            patch, at = _GitReader(lines, at).read()
            patches.append(patch)
        elif BINARY.match(lines[at]):
            raise bad_patch(at + 1, "is about a binary file: change that by a command")
        elif lines[at].startswith("@@"):
            raise bad_patch(at + 1, "begins a hunk of no file: '--- a/path' and '+++ b/path' come before it")
        else:
            at += 1
    return patches


def _begins_file(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith(GIT) or _names_files(lines, at)


def _names_files(lines: Sequence[str], at: int) -> bool:
    return at + 1 < len(lines) and lines[at].startswith("--- ") and lines[at + 1].startswith("+++ ")


class _GitReader:
    """Reads the part of a patch that is about one file."""

    def __init__(self, lines: Sequence[str], at: int) -> None:
        self._lines = lines
        self._first = at
        self._at = at

    def read(self) -> tuple[FilePatch, int]:
        names: tuple[str, str] | None = None
        headers: dict[str, str] = {}
        if self._line().startswith(GIT):
            names = _names_of(self._line().removeprefix(GIT).rstrip("\r"))
            self._at += 1
            headers = self._read_headers()
        executable = self._executable(headers)
        old, new = self._read_names(names, headers)
        hunks = self._read_hunks()
        copies = "copy from" in headers
        return FilePatch(old, new, hunks, executable=executable, copies=copies), self._at

    def _line(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _problem(self, problem: str) -> ToolFailure:
        return bad_patch(self._first + 1, problem)

    def _read_headers(self) -> dict[str, str]:
        headers = {}
        while match := HEADER.match(self._line()):
            headers[match.group(1)] = match.group(2).rstrip("\r")
            self._at += 1
        return headers

    def _executable(self, headers: dict[str, str]) -> bool | None:
        modes = [
            headers[name] for name in ("old mode", "new mode", "deleted file mode", "new file mode") if name in headers
        ]
        modes += headers.get("index", "").split(" ")[1:]
        if strange := next((mode for mode in modes if not mode.startswith("100")), None):
            raise self._problem(f"begins a change of a link or submodule (mode {strange}): make that by a command")
        mode = headers.get("new mode") or headers.get("new file mode")
        return None if mode is None else mode == "100755"

    def _read_names(self, names: tuple[str, str] | None, headers: dict[str, str]) -> tuple[str | None, str | None]:
        old: str | None
        new: str | None
        moves = next((kind for kind in ("rename", "copy") if f"{kind} from" in headers and f"{kind} to" in headers), "")
        if _names_files(self._lines, self._at):
            old, new = _paths(self._lines[self._at][4:], self._lines[self._at + 1][4:])
            self._at += 2
        elif names is not None:
            old, new = names
        elif not moves:
            raise self._problem("does not name one file")
        if moves:
            return _unquoted(headers[f"{moves} from"]), _unquoted(headers[f"{moves} to"])
        if old is not None and new is not None and old != new:
            raise self._problem(
                f"names two files, {old!r} and {new!r}: to rename one, say 'rename from' and 'rename to'"
            )
        if old is None and new is None:
            raise self._problem("names no file")
        return None if "new file mode" in headers else old, None if "deleted file mode" in headers else new

    def _read_hunks(self) -> list[Hunk]:
        hunks: list[Hunk] = []
        while self._goes_on_with_hunk():
            hunks.append(self._read_hunk(len(hunks) + 1))
        if not hunks and self._line() != SIGNATURE and self._line().startswith(("+", "-", " ")):
            raise bad_patch(self._at + 1, "is in no hunk: a hunk begins with '@@ -1,2 +1,2 @@', or with '@@' alone")
        return hunks

    def _goes_on_with_hunk(self) -> bool:
        at = _after_blanks(self._lines, self._at)
        if at == len(self._lines) or not self._lines[at].startswith("@@"):
            return False
        self._at = at
        return True

    def _read_hunk(self, number: int) -> Hunk:
        at, header = self._at, self._line()
        self._at += 1
        match = HUNK.match(header)
        body = self._counted(int(match.group(2) or 1), int(match.group(4) or 1)) if match else None
        if body is None:
            body = without_blank_end(self._lines[self._at : self._end_of_hunk()])
        lines = read_hunk_lines(body, self._at + 1)
        if not lines:
            raise bad_patch(at + 1, "begins a hunk without lines")
        self._at += len(body)
        if match:
            return Hunk(number, at + 1, lines, first=int(match.group(1)))
        return Hunk(number, at + 1, lines, anchors=read_anchor(header))

    def _counted(self, old: int, new: int) -> Sequence[str] | None:
        """The lines that the header counts, if what follows them is no line of a hunk."""
        at = self._at
        while (old > 0 or new > 0) and at < len(self._lines):
            sign = self._lines[at][:1] or " "
            old -= sign in " -\r"
            new -= sign in " +\r"
            at += 1
            at += at < len(self._lines) and self._lines[at].startswith(NO_LINE_END)
        return self._lines[self._at : at] if old == new == 0 and self._ends_at(at) else None

    def _ends_at(self, at: int) -> bool:
        at = _after_blanks(self._lines, at)
        if at == len(self._lines):
            return True
        return (
            _begins_file(self._lines, at)
            or self._lines[at].startswith(AFTER_HUNK)
            or self._lines[at].rstrip("\r") == SIGNATURE
        )

    def _end_of_hunk(self) -> int:
        at = self._at
        while at < len(self._lines) and not _begins_file(self._lines, at) and not self._lines[at].startswith("@@"):
            at += 1
        return at


def _after_blanks(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and is_blank(lines[at]):
        at += 1
    return at


def _paths(old: str, new: str) -> tuple[str | None, str | None]:
    """From the lines ``---`` and ``+++``, where a time may follow."""
    return _without_prefixes(*(_unquoted(name.partition("\t")[0].rstrip("\r")) for name in (old, new)))


def _without_prefixes(old: str, new: str) -> tuple[str | None, str | None]:
    prefixed = (old == NOTHING or old.startswith("a/")) and (new == NOTHING or new.startswith("b/"))
    if prefixed:
        old, new = old.removeprefix("a/"), new.removeprefix("b/")
    return None if old == NOTHING else old, None if new == NOTHING else new


def _names_of(names: str) -> tuple[str, str] | None:
    """From ``a/x b/x``, where both are the same file; of others the next lines tell."""
    if '"' in names:
        parts = re.findall(rf"{QUOTED}|\S+", names)
    else:
        middle = len(names) // 2
        parts = [names[:middle], names[middle + 1 :]]
    if len(parts) != 2:
        return None
    old, new = _without_prefixes(_unquoted(parts[0]), _unquoted(parts[1]))
    return (old, new) if old is not None and old == new else None


def _unquoted(name: str) -> str:
    """Git quotes a name that has unusual characters, as C does."""
    if not re.fullmatch(QUOTED, name):
        return name

    def plain(match: re.Match[bytes]) -> bytes:
        code = match.group(1).decode("latin-1")
        return bytes([int(code, 8) & 255 if code.isdigit() else ESCAPES.get(code, ord(code))])

    return os.fsdecode(re.sub(rb"\\([0-7]{3}|.)", plain, os.fsencode(name[1:-1])))
