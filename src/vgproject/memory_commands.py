"""What people do with memory: see it, add to it, change it, undo, settle.

A user's own memory is theirs alone: for others it is not there. Nor is that of another project than the server's for who is
no owner, but through a session of it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vgproject.access.permissions import Caller, check_project, named_directory
from vgproject.errors import NotFoundError
from vgproject.knowledge.care import Caretaker
from vgproject.knowledge.memory import Edit, Memory
from vgproject.knowledge.namespaces import Namespace, of_project, of_user
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import Recall
from vgproject.schema import commands as c
from vgproject.schema.events import MemoryMerged
from vgproject.schema.memory import (
    CleanUp,
    CleanUpReason,
    MemoryChange,
    MemoryConflict,
    MemoryEntry,
    MemoryImport,
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

    def namespace(
        self,
        caller: Caller,
        *,
        scope: MemoryScope = "project",
        project: str | None = None,
        of_session: str | None = None,
    ) -> Namespace:
        """``project`` is what the caller names, ``of_session`` that of a session which the caller may see.

        Raises `BadInputError` (``no_such_project``) and `ForbiddenError`.
        """
        if scope == "user":
            return of_user(caller.user_id)
        if not project:
            return of_project(str(Path(of_session or self._project).expanduser().resolve()))
        named = named_directory(project)
        check_project(named, self._project, caller)
        return of_project(str(named.resolve()))

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

    async def get(self, memory_id: str, caller: Caller, *, of_session: str | None = None) -> MemoryEntry:
        """``of_session`` is the project of a session that the caller may see. Raises `NotFoundError` (``no_such_memory``)."""
        entry = await self._memory.get(memory_id)
        if self._is_hidden(entry, caller, of_session):
            raise NotFoundError(f"There is no memory entry {memory_id!r}.", code="no_such_memory")
        return entry

    async def history(self, memory_id: str, caller: Caller) -> list[MemoryChange]:
        await self.get(memory_id, caller)
        return await self._memory.history(memory_id)

    async def conflicts(self, namespace: Namespace, *, settled: bool) -> list[MemoryConflict]:
        return await self._memory.conflicts(namespace, settled=settled)

    # Changing

    async def execute(
        self, command: c.MemoryCommand, caller: Caller, *, project: str | None, scope: str
    ) -> dict[str, Any]:
        """What the entry or conflict is then. ``project`` is that of the command's session, if it has one."""
        match command:
            case c.Remember():
                return (await self._remember(command, caller, project=project, scope=scope)).model_dump()
            case c.UpdateMemory():
                return (await self._update(command, caller, project=project, scope=scope)).model_dump()
            case c.Forget():
                return (await self._forget(command, caller, project=project, scope=scope)).model_dump()
            case c.RestoreMemory():
                return (await self._restore(command, caller, project=project, scope=scope)).model_dump()
            case c.SettleMemory():
                return (await self._settle(command, caller, project=project, scope=scope)).model_dump()

    async def take_import(self, body: MemoryImport, caller: Caller) -> MemoryMerged:
        """All notes or none."""
        namespace = self.namespace(caller, scope=body.scope, project=body.project)
        notes = [Note(scope=body.scope, **{**dict(note), "tags": tuple(note.tags)}) for note in body.notes]
        origin = MemoryOrigin(actor=caller.user_id)
        return await self._memory.merge({namespace: notes}, origin, actor=caller.actor, scope="")

    async def propose_clean_up(self, namespace: Namespace) -> list[Proposal]:
        return await self._caretaker.propose(namespace, now=self._now())

    async def clean_up(
        self, namespace: Namespace, caller: Caller, *, reasons: Sequence[CleanUpReason] | None
    ) -> CleanUp:
        return await self._caretaker.clean_up(namespace, now=self._now(), reasons=reasons, actor=caller.actor)

    async def undo_clean_up(self, namespace: Namespace, clean_up_id: str, caller: Caller) -> list[str]:
        """Raises `NotFoundError` (``no_such_clean_up``)."""
        return await self._caretaker.undo(namespace, clean_up_id, actor=caller.actor)

    async def _remember(self, command: c.Remember, caller: Caller, *, project: str | None, scope: str) -> MemoryEntry:
        namespace = self.namespace(caller, scope=command.scope, project=command.project, of_session=project)
        for memory_id in command.replaces:
            await self._expect_in(namespace, memory_id, caller, project)
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
        origin = MemoryOrigin(session_id=command.session_id, actor=caller.user_id)
        entry, _ = await self._memory.add(namespace, note, origin, actor=caller.actor, scope=scope)
        return entry

    async def _update(self, command: c.UpdateMemory, caller: Caller, *, project: str | None, scope: str) -> MemoryEntry:
        await self.get(command.memory_id, caller, of_session=project)
        tags = None if command.tags is None else tuple(command.tags)
        edit = Edit(content=command.content, kind=command.kind, tags=tags, confidence=command.confidence)
        return await self._memory.update(
            command.memory_id, edit, actor=caller.actor, version=command.version, scope=scope
        )

    async def _forget(self, command: c.Forget, caller: Caller, *, project: str | None, scope: str) -> MemoryEntry:
        await self.get(command.memory_id, caller, of_session=project)
        return await self._memory.forget(
            command.memory_id, actor=caller.actor, version=command.version, reason=command.reason, scope=scope
        )

    async def _restore(
        self, command: c.RestoreMemory, caller: Caller, *, project: str | None, scope: str
    ) -> MemoryEntry:
        await self.get(command.memory_id, caller, of_session=project)
        return await self._memory.restore(
            command.memory_id, actor=caller.actor, to_version=command.to_version, scope=scope
        )

    async def _settle(
        self, command: c.SettleMemory, caller: Caller, *, project: str | None, scope: str
    ) -> MemoryConflict:
        conflict = await self._memory.conflict(command.conflict_id)
        if self._is_hidden(conflict.first, caller, project):
            raise NotFoundError(f"There is no conflict {command.conflict_id!r} in memory.", code="no_such_conflict")
        return await self._memory.settle(
            command.conflict_id,
            command.settlement,
            actor=caller.actor,
            content=command.content,
            reason=command.reason,
            scope=scope,
        )

    async def _expect_in(self, namespace: Namespace, memory_id: str, caller: Caller, project: str | None) -> None:
        entry = await self.get(memory_id, caller, of_session=project)
        if (entry.scope, entry.user or entry.project) != (namespace.scope, namespace.owner):
            raise NotFoundError(f"This memory has no entry {memory_id!r}.", code="no_such_memory")

    def _is_hidden(self, entry: MemoryEntry, caller: Caller, of_session: str | None) -> bool:
        if entry.scope == "user":
            return entry.user != caller.user_id
        return caller.role != "owner" and entry.project not in (str(self._project.resolve()), of_session)
