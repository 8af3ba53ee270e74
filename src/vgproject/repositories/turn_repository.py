"""The transcript: every model call with its reply."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import TurnRow


class TurnRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, turn: TurnRow) -> None:
        """Keep ``turn``; a call that was made again after a crash takes the place of the first."""
        await self._session.merge(turn)

    async def list_turns(self, session_id: str, task_id: str | None = None) -> Sequence[TurnRow]:
        query = sa.select(TurnRow).where(TurnRow.session_id == session_id)
        if task_id:
            query = query.where(TurnRow.task_id == task_id)
        return (await self._session.scalars(query.order_by(TurnRow.task_id, TurnRow.run, TurnRow.turn))).all()
