"""One connection's view of one memory: its state where the client has none, then each change of it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from vgproject.knowledge.memory import Head, Memory
from vgproject.knowledge.namespaces import Namespace
from vgproject.outbox import Outbox
from vgproject.schema.frames import MemoryChanged, MemorySnapshot
from vgproject.schema.memory import ChangeKind, MemoryChange

PAGE = 64
"""How many changes are read at once: what a frame has no room for is read again."""

TYPES: dict[ChangeKind, str] = {
    "added": "memory_added",
    "superseded": "memory_forgotten",
    "forgotten": "memory_forgotten",
}


class MemorySubscription:
    """Sends at the pace of its own client, always read from the database: nothing is held for one that is behind."""

    def __init__(
        self,
        namespace: Namespace,
        head: Head,
        *,
        after: int | None,
        memory: Memory,
        outbox: Outbox,
        poll_seconds: float,
    ) -> None:
        """``after`` is ``None`` where the state at ``head`` is sent first. ``poll_seconds``: how often it looks for
        changes unasked, because they may be another process's."""
        self._namespace = namespace
        self._head = head
        self._state_after = 0 if after is None else None
        self._after = head.memory_seq if after is None else after
        self._memory = memory
        self._outbox = outbox
        self._poll_seconds = poll_seconds
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        stop = self._memory.on_change(self._namespace, lambda _: self._news.set())
        try:
            while await self._outbox.send_next(self._next_state):
                pass
            while True:
                self._news.clear()
                while await self._outbox.send_next(self._next_changes):
                    pass
                await self._wait_for_news()
        finally:
            stop()

    async def _wait_for_news(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), self._poll_seconds)

    async def _next_state(self) -> bytes | None:
        if self._state_after is None:
            return None
        changes = await self._memory.state(self._namespace, self._head.memory_seq, after=self._state_after, limit=PAGE)
        entries = _fitting([change.entry for change in changes], self._outbox.frame_bytes)
        more = len(entries) < len(changes) or len(changes) == PAGE
        self._state_after = changes[len(entries) - 1].memory_seq if more else None
        snapshot = MemorySnapshot(**self._place(), memory_seq=self._head.memory_seq, entries=[], more=more)
        frame = snapshot.model_dump_json(exclude={"entries"}).encode()
        return frame[:-1] + b',"entries":[' + b",".join(entries) + b"]}"

    async def _next_changes(self) -> bytes | None:
        changes = await self._memory.changes_after(self._namespace, self._after, limit=PAGE)
        if not changes:
            return None
        frames = _fitting([self._frame(change) for change in changes], self._outbox.frame_bytes)
        self._after = changes[len(frames) - 1].memory_seq
        return frames[0] if len(frames) == 1 else b"[" + b",".join(frames) + b"]"

    def _frame(self, change: MemoryChange) -> MemoryChanged:
        told = {name: getattr(change, name) for name in MemoryChange.model_fields}
        kind = TYPES.get(change.change, "memory_updated")
        return MemoryChanged(type=kind, **self._place(), **told, version=change.entry.version)

    def _place(self) -> dict[str, Any]:
        project = self._namespace.owner if self._namespace.scope == "project" else ""
        return {"epoch": self._head.epoch, "project": project, "scope": self._namespace.scope}


def _fitting(values: Sequence[BaseModel], max_bytes: int) -> list[bytes]:
    """The first of them as JSON, up to ``max_bytes``; one at least where there is one."""
    fitting: list[bytes] = []
    size = 0
    for value in values:
        payload = value.model_dump_json().encode()
        size += len(payload) + 1
        if fitting and size > max_bytes:
            break
        fitting.append(payload)
    return fitting
