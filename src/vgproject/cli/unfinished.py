"""Text on its way: what of it is whole enough to be printed for good, and what is still to come."""

import re
from collections.abc import Iterator
from typing import NamedTuple

FENCE = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)
BLOCK_END = re.compile(r"\n[ \t]*\n")


class Piece(NamedTuple):
    text: str
    """Lines, without the last newline."""
    first: bool
    """Nothing of this text came before."""


class Text:
    def __init__(self) -> None:
        self.seen = 0
        self.rest = ""
        self.began = False

    def take(self, end: int) -> Piece:
        piece = Piece(self.rest[:end].removesuffix("\n"), not self.began)
        self.rest = self.rest[end:]
        self.began = True
        return piece


class Unfinished:
    """The texts of messages and the output of commands by their ids. Each character is given out once."""

    def __init__(self, *, by_blocks: bool) -> None:
        """``by_blocks``: messages are given out by whole blocks of Markdown, otherwise by lines."""
        self._by_blocks = by_blocks
        self._texts: dict[str, Text] = {}

    @property
    def tail(self) -> str:
        """The rest of what came last."""
        return next((text.rest for text in reversed(self._texts.values()) if text.rest), "")

    def add(self, text_id: str, offset: int, new: str, *, is_message: bool) -> Iterator[Piece]:
        """What is finished by it. Of a message with a hole the event that ends it brings the rest."""
        text = self._texts.pop(text_id, None) or Text()
        self._texts[text_id] = text
        if offset > text.seen and is_message:
            return
        unseen = new[max(text.seen - offset, 0) :]
        text.seen = max(text.seen, offset + len(new))
        text.rest += unseen
        if (end := self._end_of_finished(text.rest, is_message=is_message)) > 0:
            yield text.take(end)

    def end(self, text_id: str, whole: str | None = None) -> Iterator[Piece]:
        """The rest of it; ``whole`` is all of the text where that is known."""
        text = self._texts.pop(text_id, None) or Text()
        if whole is not None:
            text.rest += whole[text.seen :]
        if text.rest:
            yield text.take(len(text.rest))

    def has(self, text_id: str) -> bool:
        return text_id in self._texts

    def drop(self, text_id: str) -> None:
        self._texts.pop(text_id, None)

    def drop_all(self) -> None:
        self._texts.clear()

    def _end_of_finished(self, text: str, *, is_message: bool) -> int:
        if not (self._by_blocks and is_message):
            return text.rfind("\n") + 1
        ends = [found.end() for found in BLOCK_END.finditer(text)]
        return next((end for end in reversed(ends) if len(FENCE.findall(text, 0, end)) % 2 == 0), 0)
