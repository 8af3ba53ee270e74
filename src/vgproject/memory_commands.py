"""What people do with memory: see it, add to it, change it, undo, settle.

``user`` is who asks. A user's own memory is theirs alone: for others it is not there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgproject.errors import NotFoundError
from vgproject.knowledge.care import Caretaker
from vgproject.knowledge.memory import Edit, Memory
from vgproject.knowledge.namespaces import Namespace, of_project, of_user
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import Recall
from vgproject.schema import commands as c
from vgproject.schema.base import Actor
from vgproject.schema.events import MemoryMerged
from vgproject.schema.memory import (
    CleanUp,
    CleanUpReason,
    MemoryChange,
    MemoryConflict,
    MemoryEntry,
    MemoryKind,
    MemoryOrigin,
    MemoryScope,
    MemoryStatus,
    Proposal,
)
from vgproject.utils.clock import Clock


class MemoryCommands:
    def __init__(self, memory: Memory, recall: Recall, caretaker: Caretaker, *, project: Path, now: Clock) -> None:
        """``project`` is the directory whose memory is meant where none is named."""
        self._memory = memory
        self._recall = recall
        self._caretaker = caretaker
        self._project = project
        self._now = now

    def namespace(self, user: Actor, *, scope: MemoryScope = "project", project: str | None = None) -> Namespace:
        if scope == "user":
            return of_user(user.id)
        return of_project(str(Path(project or self._project).expanduser().resolve()))

    # Seeing

    async def list_entries(
        self,
        namespace: Namespace,
        *,
        kinds: Sequence[MemoryKind],
        tag: str | None,
        statuses: Sequence[MemoryStatus],
        after: str | None,
        limit: int,
    ) -> list[MemoryEntry]:
        return await self._memory.list_entries(
            namespace, kinds=kinds, tag=tag, statuses=statuses, after=after, limit=limit
        )

    async def search(
        self, namespace: Namespace, query: str, *, kinds: Sequence[MemoryKind], limit: int
    ) -> list[MemoryEntry]:
        return await self._recall.search([namespace], query, kinds=kinds, limit=limit)

    async def get(self, memory_id: str, user: Actor) -> MemoryEntry:
        """Raises `NotFoundError` (``no_such_memory``)."""
        entry = await self._memory.get(memory_id)
        if _is_of_another(entry, user):
            raise NotFoundError(f"There is no memory entry {memory_id!r}.", code="no_such_memory")
        return entry

    async def history(self, memory_id: str, user: Actor) -> list[MemoryChange]:
        await self.get(memory_id, user)
        return await self._memory.history(memory_id)

    async def conflicts(self, namespace: Namespace, *, settled: bool) -> list[MemoryConflict]:
        return await self._memory.conflicts(namespace, settled=settled)

    # Changing

    async def execute(
        self, command: c.MemoryCommand, user: Actor, *, project: str | None, scope: str
    ) -> dict[str, Any]:
        """What the entry or conflict is then. ``project`` is that of the command's session, if it has one."""
        match command:
            case c.Remember():
                return (await self._remember(command, user, project=project, scope=scope)).model_dump()
            case c.UpdateMemory():
                return (await self._update(command, user, scope=scope)).model_dump()
            case c.Forget():
                return (await self._forget(command, user, scope=scope)).model_dump()
            case c.RestoreMemory():
                return (await self._restore(command, user, scope=scope)).model_dump()
            case c.SettleMemory():
                return (await self._settle(command, user, scope=scope)).model_dump()

    async def take_import(self, body: c.MemoryImport, user: Actor) -> MemoryMerged:
        """All notes or none."""
        namespace = self.namespace(user, scope=body.scope, project=body.project)
        notes = [Note(scope=body.scope, **{**dict(note), "tags": tuple(note.tags)}) for note in body.notes]
        origin = MemoryOrigin(actor=user.id)
        return await self._memory.merge({namespace: notes}, origin, actor=user, scope="")

    async def propose_clean_up(self, namespace: Namespace) -> list[Proposal]:
        return await self._caretaker.propose(namespace, now=self._now())

    async def clean_up(self, namespace: Namespace, user: Actor, *, reasons: Sequence[CleanUpReason] | None) -> CleanUp:
        return await self._caretaker.clean_up(namespace, now=self._now(), reasons=reasons, actor=user)

    async def undo_clean_up(self, namespace: Namespace, clean_up_id: str, user: Actor) -> list[str]:
        """Raises `NotFoundError` (``no_such_clean_up``)."""
        return await self._caretaker.undo(namespace, clean_up_id, actor=user)

    async def _remember(self, command: c.Remember, user: Actor, *, project: str | None, scope: str) -> MemoryEntry:
        namespace = self.namespace(user, scope=command.scope, project=command.project or project)
        for memory_id in command.replaces:
            await self._expect_in(namespace, memory_id, user)
        note = Note(
            scope=command.scope,
            kind=command.kind,
            content=command.content,
            tags=tuple(command.tags),
            confidence=command.confidence,
            source="user",
            place=command.place,
            replaces=tuple(command.replaces),
        )
        origin = MemoryOrigin(session_id=command.session_id, actor=user.id)
        entry, _ = await self._memory.add(namespace, note, origin, actor=user, scope=scope)
        return entry

    async def _update(self, command: c.UpdateMemory, user: Actor, *, scope: str) -> MemoryEntry:
        await self.get(command.memory_id, user)
        tags = None if command.tags is None else tuple(command.tags)
        edit = Edit(content=command.content, kind=command.kind, tags=tags, confidence=command.confidence)
        return await self._memory.update(command.memory_id, edit, actor=user, version=command.version, scope=scope)

    async def _forget(self, command: c.Forget, user: Actor, *, scope: str) -> MemoryEntry:
        await self.get(command.memory_id, user)
        return await self._memory.forget(
            command.memory_id, actor=user, version=command.version, reason=command.reason, scope=scope
        )

    async def _restore(self, command: c.RestoreMemory, user: Actor, *, scope: str) -> MemoryEntry:
        await self.get(command.memory_id, user)
        return await self._memory.restore(command.memory_id, actor=user, to_version=command.to_version, scope=scope)

    async def _settle(self, command: c.SettleMemory, user: Actor, *, scope: str) -> MemoryConflict:
        conflict = await self._memory.conflict(command.conflict_id)
        if _is_of_another(conflict.first, user):
            raise NotFoundError(f"There is no conflict {command.conflict_id!r} in memory.", code="no_such_conflict")
        return await self._memory.settle(
            command.conflict_id,
            command.settlement,
            actor=user,
            content=command.content,
            reason=command.reason,
            scope=scope,
        )

    async def _expect_in(self, namespace: Namespace, memory_id: str, user: Actor) -> None:
        entry = await self.get(memory_id, user)
        if (entry.scope, entry.user or entry.project) != (namespace.scope, namespace.owner):
            raise NotFoundError(f"This memory has no entry {memory_id!r}.", code="no_such_memory")


def _is_of_another(entry: MemoryEntry, user: Actor) -> bool:
    return entry.scope == "user" and entry.user != user.id
