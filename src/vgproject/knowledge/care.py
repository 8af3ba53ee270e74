"""Clean-up: what of a memory is probably of no use any more. It proposes; it forgets only what the settings allow.

What is forgotten is kept with its history, so a whole clean-up can be undone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from vgproject.errors import StorageError
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.memory_settings import CareSettings
from vgproject.knowledge.namespaces import Namespace
from vgproject.schema.base import Actor
from vgproject.schema.memory import CleanUp, CleanUpReason, MemoryEntry, Proposal
from vgproject.utils.clock import Clock
from vgproject.utils.ids import NewId

logger = logging.getLogger(__name__)

CARETAKER = Actor(kind="server", id="clean-up")


class Caretaker:
    def __init__(self, memory: Memory, settings: CareSettings, *, new_id: NewId) -> None:
        self._memory = memory
        self._settings = settings
        self._new_id = new_id

    async def propose(self, namespace: Namespace, *, now: datetime) -> list[Proposal]:
        """What could be forgotten, and why: each entry once, the surest reason first."""
        entries = await self._memory.list_entries(namespace)
        gone = await asyncio.to_thread(_without_file, entries) if namespace.scope == "project" else set()
        return _judge(entries, gone, self._settings, now)

    async def clean_up(
        self,
        namespace: Namespace,
        *,
        now: datetime,
        reasons: Iterable[CleanUpReason] | None = None,
        actor: Actor = CARETAKER,
    ) -> CleanUp:
        """Forget what is proposed for one of ``reasons``; by default for those that the settings allow."""
        allowed = set(self._settings.forget if reasons is None else reasons)
        chosen = [proposal for proposal in await self.propose(namespace, now=now) if proposal.reason in allowed]
        run_id = self._new_id("cln")
        forgotten = await self._memory.forget_all(
            namespace,
            {proposal.entry.memory_id: f"{proposal.explanation} ({run_id})" for proposal in chosen},
            actor=actor,
            scope=_scope(run_id),
        )
        return CleanUp(clean_up_id=run_id, forgotten=forgotten)

    async def undo(self, namespace: Namespace, clean_up_id: str, *, actor: Actor) -> list[str]:
        """Restore what that clean-up forgot, but for what was restored since; the ids of those entries.

        Raises `NotFoundError` (``no_such_clean_up``).
        """
        return await self._memory.restore_all(namespace, _scope(clean_up_id), actor=actor)


@asynccontextmanager
async def run_caretaker(
    caretaker: Caretaker, memory: Memory, settings: CareSettings, now: Clock
) -> AsyncIterator[None]:
    """Cleans up every memory now and then, where the settings allow it to forget anything."""
    if not settings.forget:
        yield
        return
    task = asyncio.create_task(_look_after(caretaker, memory, settings, now), name="memory clean-up")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _look_after(caretaker: Caretaker, memory: Memory, settings: CareSettings, now: Clock) -> None:
    while True:
        try:
            for namespace in await memory.list_namespaces():
                await caretaker.clean_up(namespace, now=now())
        except StorageError:
            logger.warning("The memory cannot be cleaned up now", exc_info=True)
        await asyncio.sleep(settings.every_hours * 3600)


def _scope(run_id: str) -> str:
    return f"clean-up/{run_id}"


def _judge(entries: list[MemoryEntry], gone: set[str], settings: CareSettings, now: datetime) -> list[Proposal]:
    unused_since = now - timedelta(days=settings.unused_days)
    proposals: dict[str, Proposal] = {}
    for entry in entries:
        used = datetime.fromisoformat(entry.recalled_at or entry.updated_at)
        if entry.memory_id in gone:
            proposals[entry.memory_id] = _proposal(entry, "stale", "Its file is not in the project any more.")
        elif used < unused_since and entry.confidence != "certain":
            proposals[entry.memory_id] = _proposal(entry, "unused", f"Nothing needed it for {(now - used).days} days.")
    left = [entry for entry in entries if entry.memory_id not in proposals]
    for entry in sorted(left, key=_worth)[: max(0, len(left) - settings.keep_entries)]:
        proposals[entry.memory_id] = _proposal(
            entry, "excess", f"There are more than {settings.keep_entries} entries, and it is among the least used."
        )
    return list(proposals.values())


def _worth(entry: MemoryEntry) -> tuple[int, int, str]:
    """Entries of people and sure ones last, then those that were recalled most and latest."""
    weight = (entry.source == "user") + ("unsure", "likely", "certain").index(entry.confidence)
    return weight, entry.recalls, entry.recalled_at or entry.updated_at


def _proposal(entry: MemoryEntry, reason: CleanUpReason, explanation: str) -> Proposal:
    return Proposal(entry=entry, reason=reason, explanation=explanation)


def _without_file(entries: list[MemoryEntry]) -> set[str]:
    """Those that are about a file which the project does not have; none where the project itself is not there."""
    if not entries or not Path(entries[0].project).is_dir():
        return set()
    return {
        entry.memory_id for entry in entries if (path := _path(entry)) and not (Path(entry.project) / path).exists()
    }


def _path(entry: MemoryEntry) -> str | None:
    if entry.place:
        return entry.place.path
    return entry.content.strip() if entry.kind == "related_file" and "\n" not in entry.content.strip() else None
