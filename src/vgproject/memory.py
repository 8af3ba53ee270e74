"""`MemorySaver`: the one way from a session's transient notes into the persistent memory, and back to its models."""

from collections.abc import Mapping

from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import Namespace, of_project, of_user
from vgproject.knowledge.notes import Note
from vgproject.schema.base import Actor
from vgproject.schema.events import MemoryMerged, RecalledEntry
from vgproject.schema.memory import MemoryKind, MemoryOrigin


class MemorySaver:
    """The notes of one phase of a task: they are its own until `merge` puts them into memory.

    ``user`` is whose own memory is told and added to beside the project's.
    """

    def __init__(self, memory: Memory, *, project: str, user: str, session_id: str, task_id: str) -> None:
        self._memory = memory
        self._namespaces = {"project": of_project(project), "user": of_user(user)}
        self._session_id = session_id
        self._task_id = task_id
        self._notes: list[Note] = []

    def note(self, kind: MemoryKind, content: str) -> None:
        """A note in plain words, as sure as its author usually is."""
        self.take(Note(kind=kind, content=content))

    def take(self, note: Note) -> None:
        self._notes.append(note)

    async def recall(self, query: str, limit: int = 10) -> list[RecalledEntry]:
        entries = await self._memory.search(list(self._namespaces.values()), query, limit=limit)
        return [
            RecalledEntry(
                memory_id=entry.memory_id,
                kind=entry.kind,
                content=entry.content,
                reason="It shares words with the task.",
            )
            for entry in entries
        ]

    async def merge(self, phase: str, *, scope: str, only_certain: bool = False) -> MemoryMerged:
        """Put the notes into memory, once for each ``scope``: after a crash the same answer comes back.

        ``only_certain`` for a phase that did not come to its end.
        """
        notes = [note for note in self._notes if note.confidence == "certain" or not only_certain]
        origin = MemoryOrigin(session_id=self._session_id, task_id=self._task_id, phase=phase, actor=phase)
        merged = await self._memory.merge(
            self._by_namespace(notes), origin, actor=Actor(kind="agent", id=phase), scope=scope
        )
        self._notes.clear()
        return merged

    def _by_namespace(self, notes: list[Note]) -> Mapping[Namespace, list[Note]]:
        batches: dict[Namespace, list[Note]] = {}
        for note in dict.fromkeys(notes):
            batches.setdefault(self._namespaces[note.scope], []).append(note)
        return batches
