"""Answers to what must be done once: commands that were sent with an id, and merges into memory."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import CommandRow


class CommandRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, scope: str) -> dict[str, Any] | None:
        row = await self._session.get(CommandRow, scope)
        return row.answer if row else None

    async def put(self, scope: str, answer: dict[str, Any], *, session_id: str | None) -> None:
        """``session_id`` is that of the session whose command it was: the answer is deleted with it."""
        await self._session.merge(CommandRow(scope=scope, answer=answer, session_id=session_id))
