"""Entries of memory, their versions, their conflicts and their vectors."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from vgproject.models.tables import MemoryChangeRow, MemoryConflictRow, MemoryNamespaceRow, MemoryRow, MemoryVectorRow


class MemoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @property
    def _is_postgres(self) -> bool:
        return self._session.get_bind().dialect.name == "postgresql"

    # Namespaces

    async def lock(self, name: str, *, epoch: str) -> MemoryNamespaceRow:
        """Until the end of the transaction no other changes this memory. ``epoch`` names it where it is new."""
        insert = postgresql.insert if self._is_postgres else sqlite.insert
        new = insert(MemoryNamespaceRow).values(name=name, epoch=epoch, head_seq=0)
        await self._session.execute(new.on_conflict_do_nothing())
        query = sa.select(MemoryNamespaceRow).where(MemoryNamespaceRow.name == name).with_for_update()
        return (await self._session.scalars(query)).one()

    async def namespace(self, name: str) -> MemoryNamespaceRow | None:
        return await self._session.get(MemoryNamespaceRow, name)

    async def all_names(self) -> Sequence[str]:
        return (await self._session.scalars(sa.select(MemoryNamespaceRow.name).order_by(MemoryNamespaceRow.name))).all()

    async def namespaces(self, names: Sequence[str]) -> Sequence[MemoryNamespaceRow]:
        query = sa.select(MemoryNamespaceRow).where(MemoryNamespaceRow.name.in_(names))
        return (await self._session.scalars(query)).all()

    # Entries

    def add(self, row: MemoryRow | MemoryConflictRow | MemoryChangeRow) -> None:
        self._session.add(row)

    async def add_many(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows as plain values, in one statement."""
        await self._session.execute(sa.insert(MemoryRow), rows)

    async def refresh(self, row: MemoryRow | MemoryConflictRow) -> None:
        """As it is now that the memory is locked."""
        await self._session.refresh(row)

    async def get(self, memory_id: str) -> MemoryRow | None:
        return (await self._session.scalars(sa.select(MemoryRow).where(MemoryRow.id == memory_id))).one_or_none()

    async def get_all(self, memory_ids: Iterable[str]) -> dict[str, MemoryRow]:
        query = sa.select(MemoryRow).where(MemoryRow.id.in_(list(memory_ids)))
        return {row.id: row for row in (await self._session.scalars(query)).all()}

    async def find_digests(self, namespace: str, digests: Sequence[str]) -> dict[str, MemoryRow]:
        """The active entries that say the same, by digest."""
        query = _active([namespace]).where(MemoryRow.digest.in_(digests))
        return {row.digest: row for row in (await self._session.scalars(query)).all()}

    async def find_path(self, namespace: str, kind: str, path: str) -> Sequence[MemoryRow]:
        query = _active([namespace]).where(MemoryRow.kind == kind, MemoryRow.path == path)
        return (await self._session.scalars(query.order_by(MemoryRow.number))).all()

    async def find_paths(self, namespaces: Sequence[str], paths: Sequence[str], *, limit: int) -> Sequence[MemoryRow]:
        """Active entries about one of these files, the newest first."""
        query = _active(namespaces).where(MemoryRow.path.in_(paths)).order_by(MemoryRow.number.desc()).limit(limit)
        return (await self._session.scalars(query)).all()

    async def page(
        self,
        namespace: str,
        *,
        kinds: Sequence[str] = (),
        tag: str | None = None,
        statuses: Sequence[str] = ("active",),
        after: int = 0,
        limit: int | None = None,
    ) -> Sequence[MemoryRow]:
        """In the order they were added, from ``number`` ``after`` on."""
        query = sa.select(MemoryRow).where(
            MemoryRow.namespace == namespace, MemoryRow.status.in_(statuses), MemoryRow.number > after
        )
        if kinds:
            query = query.where(MemoryRow.kind.in_(kinds))
        if tag:
            query = query.where(sa.cast(MemoryRow.tags, sa.Text).contains(f'"{tag}"', autoescape=True))
        return (await self._session.scalars(query.order_by(MemoryRow.number).limit(limit))).all()

    async def count(self, namespace: str) -> int:
        query = sa.select(sa.func.count()).where(MemoryRow.namespace == namespace, MemoryRow.status == "active")
        return (await self._session.scalar(query)) or 0

    async def note_recall(self, memory_ids: Iterable[str], at: datetime) -> None:
        """That models were given these entries is no change of them."""
        update = sa.update(MemoryRow).where(MemoryRow.id.in_(list(memory_ids)))
        await self._session.execute(update.values(recalled_at=at, recalls=MemoryRow.recalls + 1))

    # Versions

    async def changes_after(self, namespace: str, seq: int, *, limit: int) -> Sequence[MemoryChangeRow]:
        query = (
            sa.select(MemoryChangeRow)
            .where(MemoryChangeRow.namespace == namespace, MemoryChangeRow.memory_seq > seq)
            .order_by(MemoryChangeRow.memory_seq)
            .limit(limit)
        )
        return (await self._session.scalars(query)).all()

    async def state(self, namespace: str, seq: int, *, after: int, limit: int) -> Sequence[MemoryChangeRow]:
        """The last change of each entry that was active at ``seq``, of those after ``after``."""
        newer = aliased(MemoryChangeRow)
        is_last = ~sa.exists().where(
            newer.memory_id == MemoryChangeRow.memory_id,
            newer.memory_seq > MemoryChangeRow.memory_seq,
            newer.memory_seq <= seq,
        )
        query = sa.select(MemoryChangeRow).where(
            MemoryChangeRow.namespace == namespace,
            MemoryChangeRow.memory_seq > after,
            MemoryChangeRow.memory_seq <= seq,
            MemoryChangeRow.change.not_in(("superseded", "forgotten")),
            is_last,
        )
        return (await self._session.scalars(query.order_by(MemoryChangeRow.memory_seq).limit(limit))).all()

    async def history(self, memory_id: str) -> Sequence[MemoryChangeRow]:
        query = sa.select(MemoryChangeRow).where(MemoryChangeRow.memory_id == memory_id)
        return (await self._session.scalars(query.order_by(MemoryChangeRow.memory_seq))).all()

    # Conflicts

    async def conflict(self, conflict_id: str) -> MemoryConflictRow | None:
        return await self._session.get(MemoryConflictRow, conflict_id)

    async def conflicts(self, namespace: str, *, status: str | None = "open") -> Sequence[MemoryConflictRow]:
        query = sa.select(MemoryConflictRow).where(MemoryConflictRow.namespace == namespace)
        if status:
            query = query.where(MemoryConflictRow.status == status)
        return (await self._session.scalars(query.order_by(MemoryConflictRow.created_at, MemoryConflictRow.id))).all()

    async def open_conflicts_of(self, memory_id: str) -> Sequence[MemoryConflictRow]:
        query = sa.select(MemoryConflictRow).where(
            MemoryConflictRow.status == "open",
            sa.or_(MemoryConflictRow.first_id == memory_id, MemoryConflictRow.second_id == memory_id),
        )
        return (await self._session.scalars(query)).all()

    # Vectors

    async def without_vector(self, model: str, *, limit: int) -> Sequence[MemoryRow]:
        """Active entries whose text has no vector of ``model`` yet."""
        of_text = sa.and_(
            MemoryVectorRow.memory_id == MemoryRow.id,
            MemoryVectorRow.model == model,
            MemoryVectorRow.digest == MemoryRow.digest,
        )
        missing = ~sa.exists().where(of_text)
        query = sa.select(MemoryRow).where(MemoryRow.status == "active", missing)
        return (await self._session.scalars(query.order_by(MemoryRow.number).limit(limit))).all()

    async def put_vectors(self, rows: Sequence[MemoryVectorRow]) -> None:
        """In place of older ones, with new numbers."""
        ids = [row.memory_id for row in rows]
        await self._session.execute(sa.delete(MemoryVectorRow).where(MemoryVectorRow.memory_id.in_(ids)))
        self._session.add_all(rows)

    async def vectors_after(self, namespace: str, model: str, number: int) -> Sequence[tuple[int, str, bytes]]:
        """Number, entry and vector, by number."""
        query = (
            sa.select(MemoryVectorRow.number, MemoryVectorRow.memory_id, MemoryVectorRow.vector)
            .where(
                MemoryVectorRow.namespace == namespace, MemoryVectorRow.model == model, MemoryVectorRow.number > number
            )
            .order_by(MemoryVectorRow.number)
        )
        return [(row[0], row[1], row[2]) for row in (await self._session.execute(query)).all()]


def _active(namespaces: Sequence[str]) -> sa.Select[Any]:
    return sa.select(MemoryRow).where(MemoryRow.namespace.in_(namespaces), MemoryRow.status == "active")
