"""What an agent was shown that nobody here has written, so that a note copied from it says so."""

from vgproject.schema.memory import MemorySource

LEAST = 16
"""Characters of a line; a shorter one stands in many texts."""
MAX_CHARACTERS = 8_000_000
"""The oldest texts beyond these are not looked at any more."""


class SeenTexts:
    def __init__(self) -> None:
        self._texts: list[tuple[MemorySource, str]] = []
        self._characters = 0

    def see(self, source: MemorySource, text: str) -> None:
        plain = _plain(text)
        self._texts.append((source, plain))
        self._characters += len(plain)
        while self._characters > MAX_CHARACTERS and len(self._texts) > 1:
            self._characters -= len(self._texts.pop(0)[1])

    def source_of(self, content: str) -> MemorySource | None:
        """Where the longest line of ``content`` was copied from, word by word; ``None`` where it was not."""
        line = max((_plain(line) for line in content.splitlines()), key=len, default="")
        if len(line) < LEAST:
            return None
        return next((source for source, text in self._texts if line in text), None)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
