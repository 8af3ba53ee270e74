"""The members of sessions. They are written by `event_store`, from what events say."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import MemberRow
from vgproject.schema.access import EVERYBODY


class MemberRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_of(self, session_id: str) -> Sequence[MemberRow]:
        query = sa.select(MemberRow).where(MemberRow.session_id == session_id).order_by(MemberRow.user_id)
        return (await self._session.scalars(query)).all()

    async def list_for(self, session_id: str, user_id: str) -> Sequence[MemberRow]:
        """The user's own membership, and everybody's."""
        query = sa.select(MemberRow).where(
            MemberRow.session_id == session_id, MemberRow.user_id.in_((user_id, EVERYBODY))
        )
        return (await self._session.scalars(query)).all()
