"""The project's memory, and `MemorySaver`: the one way from a session's transient notes into it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vgproject.errors import ConflictError, NotFoundError
from vgproject.models.tables import MemoryRow
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema.events import MemoryMerged, RecalledEntry
from vgproject.schema.memory import MemoryEntry, MemoryKind, MemoryOrigin
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.ids import NewId
from vgproject.utils.secrets import SecretMask

MAX_QUERY_WORDS = 50
MAX_WORD_CHARACTERS = 60


@dataclass(frozen=True)
class Note:
    kind: MemoryKind
    content: str


class Memory:
    """The persistent memory of all projects. Secrets are not remembered: they are masked."""

    def __init__(self, database: Database, *, now: Clock, new_id: NewId, secrets: SecretMask | None = None) -> None:
        self._database = database
        self._secrets = secrets or SecretMask()
        self._now = now
        self._new_id = new_id

    async def list_entries(self, project: str) -> list[MemoryEntry]:
        async with self._database.unit_of_work() as work:
            return [_entry(row) for row in await work.memory.list_all(project)]

    async def get(self, memory_id: str) -> MemoryEntry:
        """Raises `NotFoundError` (``no_such_memory``)."""
        async with self._database.unit_of_work() as work:
            return _entry(_expect(await work.memory.get(memory_id), memory_id, None))

    async def search(self, project: str, query: str, *, limit: int = 20) -> list[MemoryEntry]:
        """Entries that share words with ``query``, those with most of them first."""
        words = _asked_words(query)
        if not words:
            return []
        async with self._database.unit_of_work() as work:
            rows = await work.memory.search(project, words)
        ranked = sorted(rows, key=lambda row: len(_words(row.content) & set(words)), reverse=True)
        return [_entry(row) for row in ranked[:limit]]

    async def add(self, project: str, note: Note, origin: MemoryOrigin, *, scope: str = "") -> tuple[MemoryEntry, bool]:
        """The entry, and whether it is new: one that says the same already stays as it is.

        ``scope``, here and below, is that of the command that asks: its answer, the entry, is kept with the change.
        """
        async with self._database.unit_of_work() as work:
            row, is_new = await self._add(work, project, note, origin)
            await _keep_answer(work, scope, row)
            await work.commit()
        return _entry(row), is_new

    async def merge(self, project: str, notes: Iterable[Note], origin: MemoryOrigin, *, scope: str) -> MemoryMerged:
        """Add all notes or none, once for each ``scope``; after that the same answer comes back."""
        async with self._database.unit_of_work() as work:
            if merged := await work.commands.get(scope):
                return MemoryMerged.model_validate(merged)
            rows = [await self._add(work, project, note, origin) for note in dict.fromkeys(notes)]
            answer = MemoryMerged(
                added=[row.id for row, is_new in rows if is_new], merged=[row.id for row, is_new in rows if not is_new]
            )
            await work.commands.put(scope, answer.model_dump(), session_id=origin.session_id)
            await work.commit()
        return answer

    async def _add(self, work: UnitOfWork, project: str, note: Note, origin: MemoryOrigin) -> tuple[MemoryRow, bool]:
        await work.memory.lock(project)
        note = Note(note.kind, self._secrets.mask(note.content))
        if same := await work.memory.find_same(project, note.kind, note.content):
            return same, False
        now = self._now()
        row = MemoryRow(
            id=self._new_id("mem"),
            project=project,
            kind=note.kind,
            content=note.content,
            version=1,
            origin=origin.model_dump(),
            forgotten=False,
            created_at=now,
            updated_at=now,
        )
        work.memory.add(row)
        return row, True

    async def update(self, memory_id: str, content: str, *, version: int, scope: str = "") -> MemoryEntry:
        """Raises `ConflictError` with the current entry where ``version`` is not the current one."""
        async with self._database.unit_of_work() as work:
            row = _expect(await work.memory.get(memory_id), memory_id, version)
            row.content = self._secrets.mask(content)
            row.version, row.updated_at = row.version + 1, self._now()
            await _keep_answer(work, scope, row)
            await work.commit()
        return _entry(row)

    async def forget(self, memory_id: str, *, version: int | None = None, scope: str = "") -> MemoryEntry:
        async with self._database.unit_of_work() as work:
            row = _expect(await work.memory.get(memory_id), memory_id, version)
            row.forgotten, row.version, row.updated_at = True, row.version + 1, self._now()
            await _keep_answer(work, scope, row)
            await work.commit()
        return _entry(row)


class MemorySaver:
    """The notes of one task: they are its own until `merge` puts them into the project's memory."""

    def __init__(self, memory: Memory, *, project: str, session_id: str, task_id: str) -> None:
        self._memory = memory
        self._project = project
        self._session_id = session_id
        self._task_id = task_id
        self._notes: list[Note] = []

    def note(self, kind: MemoryKind, content: str) -> None:
        self._notes.append(Note(kind, content))

    async def recall(self, query: str, limit: int = 10) -> list[RecalledEntry]:
        entries = await self._memory.search(self._project, query, limit=limit)
        return [
            RecalledEntry(
                memory_id=entry.memory_id,
                kind=entry.kind,
                content=entry.content,
                reason="It shares words with the task.",
            )
            for entry in entries
        ]

    async def merge(self, phase: str, *, scope: str) -> MemoryMerged:
        """Put the notes into the project's memory, once for each ``scope``: after a crash the same answer comes back."""
        origin = MemoryOrigin(session_id=self._session_id, task_id=self._task_id, phase=phase, actor=phase)
        merged = await self._memory.merge(self._project, self._notes, origin, scope=scope)
        self._notes.clear()
        return merged


async def _keep_answer(work: UnitOfWork, scope: str, row: MemoryRow) -> None:
    if scope:
        origin = MemoryOrigin.model_validate(row.origin)
        await work.commands.put(scope, _entry(row).model_dump(), session_id=origin.session_id)


def _asked_words(query: str) -> list[str]:
    """The longest words of the query: databases take only so many, and long words say more."""
    words = sorted(
        (word for word in _words(query) if len(word) <= MAX_WORD_CHARACTERS), key=lambda word: (-len(word), word)
    )
    return words[:MAX_QUERY_WORDS]


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2}


def _expect(row: MemoryRow | None, memory_id: str, version: int | None) -> MemoryRow:
    if row is None:
        raise NotFoundError(f"There is no memory entry {memory_id!r}.", code="no_such_memory")
    if version is not None and version != row.version:
        raise ConflictError(f"The entry is at version {row.version}, not {version}.", current=_entry(row).model_dump())
    return row


def _entry(row: MemoryRow) -> MemoryEntry:
    return MemoryEntry(
        memory_id=row.id,
        project=row.project,
        kind=row.kind,
        content=row.content,
        version=row.version,
        origin=MemoryOrigin.model_validate(row.origin),
        created_at=to_wire(row.created_at),
        updated_at=to_wire(row.updated_at),
    )
