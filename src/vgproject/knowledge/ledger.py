"""All changes of one memory in one transaction: each gets the next `memory_seq`, and keeps the entry as it is then."""

from datetime import datetime

from vgproject.knowledge.namespaces import Namespace, parse_namespace
from vgproject.knowledge.notes import digest_of, searched_words
from vgproject.models.tables import MemoryChangeRow, MemoryNamespaceRow, MemoryRow
from vgproject.repositories.unit_of_work import UnitOfWork
from vgproject.schema.base import Actor
from vgproject.schema.memory import ChangeKind, MemoryChange, MemoryEntry, MemoryOrigin, Place
from vgproject.utils.clock import Clock, to_wire


class Ledger:
    """Made by `open_ledger`, which takes the memory's lock: until the transaction ends no other writes to it."""

    def __init__(self, work: UnitOfWork, row: MemoryNamespaceRow, namespace: Namespace, *, now: Clock) -> None:
        self._work = work
        self._row = row
        self._now = now
        self.namespace = namespace
        self.changed: list[MemoryChange] = []

    @property
    def head(self) -> int:
        return self._row.head_seq

    def write(
        self,
        row: MemoryRow,
        change: ChangeKind,
        *,
        actor: Actor,
        origin: MemoryOrigin,
        reason: str | None = None,
    ) -> MemoryEntry:
        """Note that ``row`` was changed; its version counts on, but for one that is new."""
        now = self._now()
        row.updated_at = now
        row.version = 1 if change == "added" else row.version + 1
        self._row.head_seq += 1
        told = MemoryChange(
            memory_seq=self._row.head_seq,
            change=change,
            actor=actor,
            reason=reason,
            origin=origin,
            time=to_wire(now),
            entry=entry_of(row),
        )
        self._work.memory.add(
            MemoryChangeRow(
                namespace=self.namespace.name,
                memory_seq=told.memory_seq,
                memory_id=row.id,
                change=change,
                payload=told.model_dump(mode="json"),
            )
        )
        self.changed.append(told)
        return told.entry


async def open_ledger(work: UnitOfWork, namespace: Namespace, *, epoch: str, now: Clock) -> Ledger:
    """``epoch`` names the memory where it is new."""
    return Ledger(work, await work.memory.lock(namespace.name, epoch=epoch), namespace, now=now)


def entry_of(row: MemoryRow) -> MemoryEntry:
    namespace = parse_namespace(row.namespace)
    is_user = namespace.scope == "user"
    return MemoryEntry.model_validate(
        {
            "memory_id": row.id,
            "scope": namespace.scope,
            "project": "" if is_user else namespace.owner,
            "user": namespace.owner if is_user else None,
            "kind": row.kind,
            "content": row.content,
            "tags": row.tags,
            "confidence": row.confidence,
            "source": row.source,
            "place": row.place,
            "status": row.status,
            "version": row.version,
            "origin": row.origins[0],
            "origins": row.origins,
            "replaces": row.replaces,
            "conflicts_with": row.conflicts_with,
            "created_at": to_wire(row.created_at),
            "updated_at": to_wire(row.updated_at),
            "recalled_at": to_wire(row.recalled_at) if row.recalled_at else None,
            "recalls": row.recalls,
        }
    )


def row_of(entry: MemoryEntry, namespace: Namespace) -> MemoryRow:
    """A copy of ``entry`` as a row of ``namespace``."""
    return MemoryRow(
        id=entry.memory_id,
        namespace=namespace.name,
        kind=entry.kind,
        content=entry.content,
        digest=digest_of(entry.kind, entry.content),
        words=searched_words(entry.content, entry.tags, entry.place),
        tags=entry.tags,
        confidence=entry.confidence,
        source=entry.source,
        path=entry.place.path if entry.place else None,
        place=entry.place.model_dump() if entry.place else None,
        status=entry.status,
        version=entry.version,
        origins=[origin.model_dump(mode="json") for origin in entry.origins or [entry.origin]],
        replaces=entry.replaces,
        conflicts_with=entry.conflicts_with,
        created_at=datetime.fromisoformat(entry.created_at),
        updated_at=datetime.fromisoformat(entry.updated_at),
        recalls=0,
    )


def place_of(row: MemoryRow) -> Place | None:
    return Place.model_validate(row.place) if row.place else None
