"""Entries of a project's memory, as clients see them."""

from typing import Literal

from vgproject.schema.base import Wire

MemoryKind = Literal["key_fact", "key_snippet", "research_note", "related_file", "work_log", "decision"]


class MemoryOrigin(Wire):
    session_id: str | None = None
    task_id: str | None = None
    phase: str | None = None
    actor: str


class MemoryEntry(Wire):
    memory_id: str
    project: str
    kind: MemoryKind
    content: str
    version: int
    origin: MemoryOrigin
    created_at: str
    updated_at: str
