"""Entries that contradict each other: opened by a merge, settled by a person or a model, ended with one of the two."""

from collections.abc import Mapping, Sequence

from vgproject.errors import ConflictError, NotFoundError
from vgproject.knowledge.ledger import Ledger, entry_of
from vgproject.knowledge.namespaces import Namespace
from vgproject.models.tables import MemoryConflictRow, MemoryRow
from vgproject.repositories.unit_of_work import UnitOfWork
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryConflict, MemoryOrigin, Settlement
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.ids import NewId


class ConflictBook:
    """The conflicts of one transaction. Both entries of an open one say so in ``conflicts_with``."""

    def __init__(self, work: UnitOfWork, *, now: Clock, new_id: NewId) -> None:
        self._work = work
        self._now = now
        self._new_id = new_id

    async def list_all(self, namespace: Namespace, *, settled: bool) -> list[MemoryConflict]:
        found = await self._work.memory.conflicts(namespace.name, status=None if settled else "open")
        rows = await self._work.memory.get_all({name for row in found for name in (row.first_id, row.second_id)})
        return [_conflict(row, rows) for row in found]

    async def get(self, conflict_id: str) -> MemoryConflict:
        """Raises as `expect`."""
        row = await self.expect(conflict_id)
        return _conflict(row, await self._work.memory.get_all([row.first_id, row.second_id]))

    async def expect(self, conflict_id: str) -> MemoryConflictRow:
        """Raises `NotFoundError` (``no_such_conflict``)."""
        if (row := await self._work.memory.conflict(conflict_id)) is None:
            raise NotFoundError(f"There is no conflict {conflict_id!r} in memory.", code="no_such_conflict")
        return row

    async def open(
        self,
        ledger: Ledger,
        older: Sequence[MemoryRow],
        newer: MemoryRow,
        *,
        actor: Actor,
        origin: MemoryOrigin,
        reason: str,
    ) -> None:
        for row in older:
            self._work.memory.add(
                MemoryConflictRow(
                    id=self._new_id("con"),
                    namespace=ledger.namespace.name,
                    first_id=row.id,
                    second_id=newer.id,
                    reason=reason,
                    status="open",
                    created_at=self._now(),
                )
            )
            row.conflicts_with = [*row.conflicts_with, newer.id]
            ledger.write(row, "conflicting", actor=actor, origin=origin, reason=reason)
        newer.conflicts_with = [row.id for row in older]
        ledger.write(newer, "conflicting", actor=actor, origin=origin, reason=reason)

    async def settle(
        self,
        ledger: Ledger,
        found: MemoryConflictRow,
        rows: Mapping[str, MemoryRow],
        settlement: Settlement,
        *,
        actor: Actor,
        origin: MemoryOrigin,
        reason: str | None,
    ) -> MemoryConflict:
        """The entry that is not kept is superseded. Raises `ConflictError` (``already_resolved``)."""
        if found.status != "open":
            by = (found.settled_by or {}).get("id")
            raise ConflictError(
                f"This was settled already: {found.settlement} by {by}.",
                code="already_resolved",
                decision=found.settlement,
                resolved_by=by,
                resolved_at=to_wire(found.settled_at) if found.settled_at else None,
            )
        first, second = rows[found.first_id], rows[found.second_id]
        loser = {"keep_first": second, "keep_second": first, "rewrite": first}.get(settlement)
        _part(first, second)
        self._settle(found, settlement, actor)
        if loser is not None:
            loser.status = "superseded"
            await self.end_of(ledger, loser, actor=actor, settled="The other entry was found wrong.")
        for row in (first, second):
            ledger.write(row, "superseded" if row is loser else "settled", actor=actor, origin=origin, reason=reason)
        return _conflict(found, rows)

    async def end_of(self, ledger: Ledger, row: MemoryRow, *, actor: Actor, settled: str) -> None:
        """``row`` is not known any more: what contradicted it stands alone."""
        for conflict in await self._work.memory.open_conflicts_of(row.id):
            if conflict.status != "open":
                continue
            other_id = conflict.second_id if conflict.first_id == row.id else conflict.first_id
            other = (await self._work.memory.get_all([other_id]))[other_id]
            _part(row, other)
            ledger.write(other, "settled", actor=actor, origin=MemoryOrigin(actor=actor.id), reason=settled)
            self._settle(conflict, "keep_first" if other_id == conflict.first_id else "keep_second", actor)

    def _settle(self, row: MemoryConflictRow, settlement: Settlement, actor: Actor) -> None:
        row.status, row.settlement = "settled", settlement
        row.settled_by, row.settled_at = actor.model_dump(), self._now()


def _part(first: MemoryRow, second: MemoryRow) -> None:
    first.conflicts_with = [name for name in first.conflicts_with if name != second.id]
    second.conflicts_with = [name for name in second.conflicts_with if name != first.id]


def _conflict(row: MemoryConflictRow, rows: Mapping[str, MemoryRow]) -> MemoryConflict:
    first = entry_of(rows[row.first_id])
    return MemoryConflict.model_validate(
        {
            "conflict_id": row.id,
            "scope": first.scope,
            "project": first.project,
            "first": first,
            "second": entry_of(rows[row.second_id]),
            "reason": row.reason,
            "status": row.status,
            "settlement": row.settlement,
            "settled_by": row.settled_by,
            "created_at": to_wire(row.created_at),
            "settled_at": to_wire(row.settled_at) if row.settled_at else None,
        }
    )
