"""Entries of memory, their versions, their conflicts, and the full text search for them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from vgproject.models.tables import MemoryChangeRow, MemoryConflictRow, MemoryNamespaceRow, MemoryRow, MemoryVectorRow

COUNT_UP_TO = 5_000
"""A word in more entries than these says hardly anything: it is not counted further."""


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

    # Entries

    def add(self, row: MemoryRow | MemoryConflictRow | MemoryChangeRow) -> None:
        self._session.add(row)

    async def flush(self) -> None:
        """What was added can be found by the following queries."""
        await self._session.flush()

    async def refresh(self, row: MemoryRow | MemoryConflictRow) -> None:
        """As it is now that the memory is locked."""
        await self._session.refresh(row)

    async def get(self, memory_id: str) -> MemoryRow | None:
        return (await self._session.scalars(sa.select(MemoryRow).where(MemoryRow.id == memory_id))).one_or_none()

    async def get_all(self, memory_ids: Iterable[str]) -> dict[str, MemoryRow]:
        query = sa.select(MemoryRow).where(MemoryRow.id.in_(list(memory_ids)))
        return {row.id: row for row in (await self._session.scalars(query)).all()}

    async def find_digest(self, namespace: str, digest: str) -> MemoryRow | None:
        """The active entry that says the same."""
        query = _active([namespace]).where(MemoryRow.digest == digest).order_by(MemoryRow.number).limit(1)
        return (await self._session.scalars(query)).first()

    async def find_path(self, namespace: str, kind: str, path: str) -> Sequence[MemoryRow]:
        query = _active([namespace]).where(MemoryRow.kind == kind, MemoryRow.path == path)
        return (await self._session.scalars(query.order_by(MemoryRow.number))).all()

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

    # Search

    async def frequencies(self, words: Sequence[str]) -> dict[str, int]:
        """In how many entries each word is, in all memories together; counted up to `COUNT_UP_TO`."""
        found = {}
        for word in words:
            query = sa.text(POSTGRES_COUNT if self._is_postgres else SQLITE_COUNT)
            values = {"word": self._term(word), "most": COUNT_UP_TO}
            found[word] = await self._session.scalar(query, values) or 0
        return found

    async def match(
        self, namespaces: Sequence[str], weights: Mapping[str, float], *, kinds: Sequence[str] = (), limit: int
    ) -> Sequence[MemoryRow]:
        """Active entries with at least one of the words of ``weights``, the best first.

        In SQLite BM25 says which is best; PostgreSQL's own ranks know no rarity, so there the weights are summed up.
        """
        if not weights:
            return []
        rank = self._rank_postgres(weights) if self._is_postgres else self._rank_sqlite(weights)
        query = _active(namespaces).join(rank, rank.c.number == MemoryRow.number)
        if kinds:
            query = query.where(MemoryRow.kind.in_(kinds))
        query = query.order_by(rank.c.rank, MemoryRow.number).limit(limit)
        return (await self._session.scalars(query)).all()

    def _rank_sqlite(self, weights: Mapping[str, float]) -> sa.Subquery:
        table = sa.table("memory_text", sa.column("rowid"), sa.column("rank"), sa.column("memory_text"))
        terms = " OR ".join(self._term(word) for word in weights)
        return (
            sa.select(table.c.rowid.label("number"), table.c.rank)
            .where(table.c.memory_text.op("MATCH")(terms))
            .subquery()
        )

    def _rank_postgres(self, weights: Mapping[str, float]) -> sa.Subquery:
        table = sa.table("memory_entries", sa.column("number"), sa.column("text", postgresql.TSVECTOR()))
        asked = {word: sa.func.to_tsquery("english", self._term(word)) for word in weights}
        has = {word: table.c.text.op("@@")(query) for word, query in asked.items()}
        rank = sum(
            (sa.case((has[word], sa.literal(weight)), else_=sa.literal(0.0)) for word, weight in weights.items()),
            sa.literal(0.0),
        )
        any_word = sa.func.to_tsquery("english", " | ".join(self._term(word) for word in weights))
        return sa.select(table.c.number, (-rank).label("rank")).where(table.c.text.op("@@")(any_word)).subquery()

    def _term(self, word: str) -> str:
        return f"'{word}'" if self._is_postgres else f'"{word}"'

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
        for row in rows:
            await self._session.merge(row)

    async def vectors(self, namespace: str, model: str) -> Sequence[tuple[str, str, bytes]]:
        """Id, digest and vector of the namespace's entries; those of another text are there too."""
        query = sa.select(MemoryVectorRow.memory_id, MemoryVectorRow.digest, MemoryVectorRow.vector).where(
            MemoryVectorRow.namespace == namespace, MemoryVectorRow.model == model
        )
        return [(row[0], row[1], row[2]) for row in (await self._session.execute(query)).all()]


SQLITE_COUNT = "SELECT count(*) FROM (SELECT 1 FROM memory_text WHERE memory_text MATCH :word LIMIT :most)"
POSTGRES_COUNT = "SELECT count(*) FROM (SELECT 1 FROM memory_entries WHERE text @@ to_tsquery('english', :word) LIMIT :most) AS found"


def _active(namespaces: Sequence[str]) -> sa.Select[Any]:
    return sa.select(MemoryRow).where(MemoryRow.namespace.in_(namespaces), MemoryRow.status == "active")
