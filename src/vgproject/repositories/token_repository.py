"""API tokens, by their hashes."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import TokenRow


class TokenRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, row: TokenRow) -> None:
        self._session.add(row)

    async def get(self, token_id: str) -> TokenRow | None:
        return await self._session.get(TokenRow, token_id)

    async def find(self, digest: str) -> TokenRow | None:
        return await self._session.scalar(sa.select(TokenRow).where(TokenRow.digest == digest))

    async def list_all(self) -> Sequence[TokenRow]:
        return (await self._session.scalars(sa.select(TokenRow).order_by(TokenRow.created_at, TokenRow.id))).all()

    async def list_valid_ids(self, token_ids: Collection[str]) -> set[str]:
        """Those of ``token_ids`` that are there and not revoked."""
        query = sa.select(TokenRow.id).where(TokenRow.id.in_(token_ids), TokenRow.revoked_at.is_(None))
        return set(await self._session.scalars(query))

    async def note_use(self, token_id: str, at: datetime) -> None:
        await self._session.execute(sa.update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=at))
