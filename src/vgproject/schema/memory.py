"""Memory as clients see it: entries, their versions, what contradicts what, and the changes that are followed."""

from typing import Annotated, Literal, get_args

from pydantic import AwareDatetime, Field, StringConstraints

from vgproject.schema.base import Actor, ShortText, Wire

MemoryKind = Literal["key_fact", "key_snippet", "research_note", "related_file", "work_log", "decision"]
MEMORY_KINDS: tuple[MemoryKind, ...] = get_args(MemoryKind)

MemoryScope = Literal["project", "user"]
"""``user``: a user's own memory, across projects."""

Confidence = Literal["certain", "likely", "unsure"]

MemorySource = Literal["user", "agent", "file", "web", "tool"]
"""Whose words the text is. What is neither a user's nor an agent's own is told to models as quoted data only."""

MemoryStatus = Literal["active", "superseded", "forgotten"]

ChangeKind = Literal["added", "merged", "updated", "superseded", "forgotten", "restored", "conflicting", "settled"]

Settlement = Literal["keep_first", "keep_second", "keep_both", "rewrite"]
"""``rewrite``: a new text takes the place of both."""

CleanUpReason = Literal["stale", "unused", "excess"]
"""Its file is gone; nothing needed it for long; there are too many and it is of the least use."""

MAX_CONTENT = 8_000
"""Characters of an entry. A longer text is no fact any more: it belongs into a file."""
MAX_TAGS = 20

Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT)]
Tag = Annotated[str, StringConstraints(pattern=r'^[^\s"\\]+$', max_length=60)]


class MemoryOrigin(Wire):
    """Where an entry, or what was merged into it, comes from."""

    session_id: str | None = None
    task_id: str | None = None
    phase: str | None = None
    """The phase that noted it, where it was an agent."""
    actor: str
    """A user's id, or the phase of an agent."""
    message_id: str | None = None
    """Of the turn in which an agent noted it: the ``message_id`` of its events."""
    imported_from: str | None = None
    """The file it was imported from."""


class Place(Wire):
    """A file of the project, or lines of it."""

    path: str = Field(max_length=1_000)
    start_line: int | None = Field(default=None, ge=1)
    """From 1."""
    end_line: int | None = Field(default=None, ge=1)
    """Inclusive."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the lines' text as it was noted: where the file has it no more, the entry is stale."""


class MemoryEntry(Wire):
    memory_id: str
    scope: MemoryScope = "project"
    project: str
    """The project's directory; empty in the scope ``user``."""
    user: str | None = None
    """Whose memory it is in the scope ``user``."""
    kind: MemoryKind
    content: str
    tags: list[str] = Field(default_factory=list)
    confidence: Confidence = "likely"
    source: MemorySource = "agent"
    place: Place | None = None
    status: MemoryStatus = "active"
    version: int
    """Counts from 1, one more with each change."""
    origin: MemoryOrigin
    """The first."""
    origins: list[MemoryOrigin] = Field(default_factory=list)
    """All that said the same, the first one included."""
    replaces: list[str] = Field(default_factory=list)
    """Ids of the entries whose place it takes."""
    conflicts_with: list[str] = Field(default_factory=list)
    """Ids of the entries that say the contrary, while nobody has settled it."""
    created_at: str
    updated_at: str
    recalled_at: str | None = None
    """When a model was last given it."""
    recalls: int = 0
    """How often a model was given it."""


class MemoryChange(Wire):
    """One change of one entry: its history, and what ``subscribe_memory`` follows."""

    memory_seq: int = Field(ge=1)
    """Counts 1, 2, 3, … within a project's or user's memory, without holes."""
    change: ChangeKind
    actor: Actor
    """Who did it."""
    reason: str | None = None
    origin: MemoryOrigin
    time: str
    entry: MemoryEntry
    """As it was after the change."""


class MemoryConflict(Wire):
    """Two entries that cannot both be true."""

    conflict_id: str
    scope: MemoryScope
    project: str
    first: MemoryEntry
    """The older one."""
    second: MemoryEntry
    reason: str
    """What makes them contradict each other."""
    status: Literal["open", "settled"] = "open"
    settlement: Settlement | None = None
    settled_by: Actor | None = None
    created_at: str
    settled_at: str | None = None


class Proposal(Wire):
    """An entry that could be forgotten."""

    entry: MemoryEntry
    reason: CleanUpReason
    explanation: str
    """One sentence for people."""


class CleanUp(Wire):
    """What was forgotten at one time; all of it can be undone."""

    clean_up_id: str
    forgotten: list[str]
    """Ids of entries."""


MAX_IMPORTED = 10_000


class NewNote(Wire):
    """An entry of another memory: what it says, and where it comes from."""

    kind: MemoryKind = "key_fact"
    content: Content
    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)
    confidence: Confidence = "likely"
    source: MemorySource = "agent"
    place: Place | None = None
    imported_from: ShortText | None = None
    """The file it was read from."""
    noted_at: AwareDatetime | None = None
    """When it was first noted."""


class MemoryImport(Wire):
    notes: list[NewNote] = Field(min_length=1, max_length=MAX_IMPORTED)
    scope: MemoryScope = "project"
    project: ShortText | None = None
    """The project's directory; default: the server's."""


class MemoryCleanUp(Wire):
    reasons: list[CleanUpReason] | None = None
    """Forget only what is proposed for one of these; default: for those that the settings allow."""
