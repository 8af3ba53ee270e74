"""Entries of a project's memory."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import MemoryRow


class MemoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, project: str) -> None:
        """Until the end of the transaction no other adds to the project's memory. In SQLite none writes anyway."""
        if self._session.get_bind().dialect.name == "postgresql":
            number = sa.func.hashtextextended(f"memory of {project}", 0)
            await self._session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def add(self, row: MemoryRow) -> None:
        self._session.add(row)

    async def get(self, memory_id: str) -> MemoryRow | None:
        row = await self._session.get(MemoryRow, memory_id)
        return None if row is None or row.forgotten else row

    async def find_same(self, project: str, kind: str, content: str) -> MemoryRow | None:
        query = self._of(project).where(MemoryRow.kind == kind, MemoryRow.content == content).limit(1)
        return (await self._session.scalars(query)).first()

    async def list_all(self, project: str) -> Sequence[MemoryRow]:
        return (await self._session.scalars(self._of(project).order_by(MemoryRow.created_at, MemoryRow.id))).all()

    async def search(self, project: str, words: Sequence[str]) -> Sequence[MemoryRow]:
        """Entries that contain at least one of ``words``, whatever its case."""
        any_word = sa.or_(*(MemoryRow.content.icontains(word, autoescape=True) for word in words))
        return (await self._session.scalars(self._of(project).where(any_word))).all()

    @staticmethod
    def _of(project: str) -> sa.Select[MemoryRow]:
        return sa.select(MemoryRow).where(MemoryRow.project == project, MemoryRow.forgotten.is_(False))
