"""Full text search for entries of memory: FTS5 in SQLite, a tsvector in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import MemoryRow

COUNT_UP_TO = 2_000
"""A word in more entries than these says hardly anything: it is not counted further."""

COUNTED_AT_ONCE = 100
ASKED_AT_ONCE = 25

SQLITE_COUNT = "SELECT count(*) FROM (SELECT 1 FROM memory_text WHERE memory_text MATCH :word{} LIMIT :most)"
POSTGRES_COUNT = (
    "SELECT count(*) FROM (SELECT 1 FROM memory_entries WHERE text @@ to_tsquery('english', :word{}) LIMIT :most)"
    " AS found"
)


@dataclass(frozen=True)
class Question:
    """``weights`` are the words that are looked for, and how much each says; of no ``kinds`` all are meant."""

    namespaces: Sequence[str]
    weights: Mapping[str, float]
    limit: int
    kinds: Sequence[str] = ()


class MemorySearch:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @property
    def _is_postgres(self) -> bool:
        return self._session.get_bind().dialect.name == "postgresql"

    async def frequencies(self, words: Sequence[str]) -> dict[str, int]:
        """In how many entries each word is, in all memories together; counted up to `COUNT_UP_TO`."""
        count = POSTGRES_COUNT if self._is_postgres else SQLITE_COUNT
        found: dict[str, int] = {}
        for start in range(0, len(words), COUNTED_AT_ONCE):
            some = words[start : start + COUNTED_AT_ONCE]
            counts = ", ".join(f"({count.format(number)})" for number in range(len(some)))
            terms = {f"word{number}": self._term(word) for number, word in enumerate(some)}
            row = (await self._session.execute(sa.text(f"SELECT {counts}"), terms | {"most": COUNT_UP_TO})).one()
            found |= dict(zip(some, row, strict=True))
        return found

    async def find(self, questions: Sequence[Question]) -> list[list[MemoryRow]]:
        """For each question the active entries with at least one of its words, the best first; none that this
        transaction added.

        In SQLite BM25 says which is best; PostgreSQL's own ranks know no rarity, so there the weights are summed up.
        """
        with self._session.no_autoflush:
            numbers: list[list[int]] = [[] for _ in questions]
            asked = [(place, question) for place, question in enumerate(questions) if question.weights]
            for start in range(0, len(asked), ASKED_AT_ONCE):
                some = asked[start : start + ASKED_AT_ONCE]
                # Only the best are read whole: sorting would carry every text along.
                best = sa.union_all(*(self._best(place, question) for place, question in some))
                found: Sequence[Any] = (await self._session.execute(best)).all()
                for place, number in found:
                    numbers[place].append(number)
            query = sa.select(MemoryRow).where(
                MemoryRow.number.in_({number for best_first in numbers for number in best_first})
            )
            rows = {row.number: row for row in (await self._session.scalars(query)).all()}
        return [[rows[number] for number in best_first] for best_first in numbers]

    def _best(self, place: int, question: Question) -> sa.Select[tuple[int, int]]:
        rank = self._rank_postgres(question.weights) if self._is_postgres else self._rank_sqlite(question.weights)
        found = sa.select(MemoryRow.number, rank.c.rank).join(rank, rank.c.number == MemoryRow.number)
        found = found.where(MemoryRow.namespace.in_(question.namespaces), MemoryRow.status == "active")
        if question.kinds:
            found = found.where(MemoryRow.kind.in_(question.kinds))
        best = found.order_by(rank.c.rank, MemoryRow.number).limit(question.limit).subquery()
        return sa.select(sa.literal_column(str(place)).label("place"), best.c.number)

    def _rank_sqlite(self, weights: Mapping[str, float]) -> sa.Subquery:
        table = sa.table("memory_text", sa.column("rowid"), sa.column("rank"), sa.column("memory_text"))
        terms = " OR ".join(self._term(word) for word in weights)
        found = sa.select(table.c.rowid.label("number"), table.c.rank)
        return found.where(table.c.memory_text.op("MATCH")(terms)).subquery()

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
