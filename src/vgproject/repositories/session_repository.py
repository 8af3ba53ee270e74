"""Sessions and their tasks. What events say of them (heads, statuses) is written by `event_store`."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.errors import NotFoundError
from vgproject.models.tables import EventRow, SessionRow, TaskRow

OPEN_STATUSES = ("queued", "running", "paused")


class SessionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, row: SessionRow) -> None:
        self._session.add(row)

    async def find(self, session_id: str) -> SessionRow | None:
        return await self._session.scalar(sa.select(SessionRow).where(SessionRow.id == session_id))

    async def get(self, session_id: str) -> SessionRow:
        if row := await self.find(session_id):
            return row
        raise NotFoundError(f"There is no session {session_id!r}.", code="no_such_session")

    async def list_all(self, owner: str | None, limit: int) -> Sequence[SessionRow]:
        query = sa.select(SessionRow).order_by(SessionRow.number.desc()).limit(limit)
        if owner is not None:
            query = query.where(SessionRow.owner == owner)
        return (await self._session.scalars(query)).all()

    async def delete(self, row: SessionRow) -> None:
        await self._session.execute(sa.delete(EventRow).where(EventRow.session_number == row.number))
        await self._session.execute(sa.delete(SessionRow).where(SessionRow.id == row.id))

    async def list_tasks(self, session_id: str) -> Sequence[TaskRow]:
        query = sa.select(TaskRow).where(TaskRow.session_id == session_id).order_by(TaskRow.queued_seq)
        return (await self._session.scalars(query)).all()

    async def list_open_tasks(self) -> Sequence[TaskRow]:
        return (await self._session.scalars(sa.select(TaskRow).where(TaskRow.status.in_(OPEN_STATUSES)))).all()
