"""Entries of a project's memory, as clients see them."""

from typing import Literal

from vgproject.schema.base import Wire

MemoryKind = Literal["key_fact", "key_snippet", "research_note", "related_file", "work_log", "decision"]


class MemoryOrigin(Wire):
    session_id: str | None = None
    task_id: str | None = None
    phase: str | None = None
    """The phase that noted it, where it was an agent."""
    actor: str
    """A user's id, or the phase of an agent."""


class MemoryEntry(Wire):
    memory_id: str
    project: str
    """The project's directory."""
    kind: MemoryKind
    content: str
    version: int
    """Counts from 1, one more with each change."""
    origin: MemoryOrigin
    created_at: str
    updated_at: str
