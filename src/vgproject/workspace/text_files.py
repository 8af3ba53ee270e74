"""Text and how a file holds it: encoding, byte order mark, line ends. What is decoded encodes to the same bytes."""

import codecs
import hashlib
import mimetypes
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "latin-1"]
LineEnd = Literal["\n", "\r\n", "\r"]

MARKS: dict[Encoding, bytes] = {
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
LINE_END_NAMES: dict[LineEnd, str] = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}
CONTROL = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text has; bell to carriage return, and the escape of coloured output, do occur."""
SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"%PDF": "application/pdf",
    b"PK\x03\x04": "application/zip",
    b"\x1f\x8b": "application/gzip",
    b"\x7fELF": "application/x-executable",
    b"\0asm": "application/wasm",
    b"SQLite format 3": "application/vnd.sqlite3",
}


@dataclass(frozen=True)
class TextFile:
    """``text`` has the file's own line ends, and no byte order mark."""

    text: str
    encoding: Encoding = "utf-8"

    @property
    def line_end(self) -> LineEnd:
        """The one that most lines have."""
        counts = Counter(re.findall(r"\r\n|\n", self.text))
        if counts:
            return "\r\n" if counts["\r\n"] > counts["\n"] else "\n"
        return "\r" if "\r" in self.text else "\n"

    @property
    def line_ends(self) -> str:
        """For people: ``LF``, ``CRLF``, ``CR`` or ``mixed``."""
        crlf = self.text.count("\r\n")
        mixed = 0 < crlf < self.text.count("\n")
        return "mixed" if mixed else LINE_END_NAMES[self.line_end]

    def encode(self) -> bytes:
        """Raises `UnicodeEncodeError` where the encoding has no place for a character."""
        return MARKS.get(self.encoding, b"") + self.text.encode(_codec(self.encoding))


def decode(content: bytes) -> TextFile | None:
    """The text of a file; ``None`` if it is binary.

    A byte order mark decides; else it is UTF-8 if it can be, and Latin-1 if it has no control characters.
    """
    for encoding, mark in MARKS.items():
        if content.startswith(mark):
            return _decode_as(encoding, content[len(mark) :])
    if b"\0" in content:
        return None
    if (text := _decode_as("utf-8", content)) is not None:
        return text
    return None if CONTROL.search(content) else _decode_as("latin-1", content)


def _decode_as(encoding: Encoding, content: bytes) -> TextFile | None:
    try:
        text = content.decode(_codec(encoding))
    except UnicodeDecodeError:
        return None
    return TextFile(text, encoding)


def _codec(encoding: Encoding) -> str:
    return "utf-8" if encoding == "utf-8-sig" else encoding


def split_lines(text: str) -> list[str]:
    """The lines without their ends, numbered as editors and ripgrep do."""
    if "\n" not in text:
        text = text.replace("\r", "\n")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def with_line_end(text: str, line_end: LineEnd) -> str:
    return text.replace("\r\n", "\n").replace("\n", line_end)


def media_type(path: str, head: bytes) -> str:
    """What a binary file is, by its first bytes, else by its name."""
    for signature, name in SIGNATURES.items():
        if head.startswith(signature):
            return name
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
