"""A note: what somebody wants to be known, before memory has made an entry of it."""

import hashlib

from pydantic import AwareDatetime, Field

from vgproject.schema.base import Wire
from vgproject.schema.memory import MAX_TAGS, Confidence, Content, MemoryKind, MemoryScope, MemorySource, Place, Tag
from vgproject.utils.words import split_words


class Note(Wire):
    scope: MemoryScope = "project"
    kind: MemoryKind = "key_fact"
    content: Content
    tags: tuple[Tag, ...] = Field(default=(), max_length=MAX_TAGS)
    confidence: Confidence = "likely"
    source: MemorySource = "agent"
    place: Place | None = None
    replaces: tuple[str, ...] = ()
    """Ids of entries whose place it takes."""
    message_id: str | None = None
    """Of the turn in which it was taken."""
    imported_from: str | None = None
    """The file that it comes from."""
    noted_at: AwareDatetime | None = None
    """When it was first noted, where that is not now."""

    @property
    def digest(self) -> str:
        return digest_of(self.kind, self.content)


def digest_of(kind: str, content: str) -> str:
    """The same for texts that differ only in case and spacing."""
    said = " ".join(content.split()).casefold()
    return hashlib.sha256(f"{kind}\0{said}".encode()).hexdigest()


def searched_words(content: str, tags: tuple[str, ...] | list[str], place: Place | None) -> str:
    """What full text search knows of an entry."""
    return " ".join(split_words(" ".join([content, *tags, place.path if place else ""])))
