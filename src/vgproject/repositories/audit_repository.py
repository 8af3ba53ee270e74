"""The audit trail as it is read. It is added to by `audit_store`, and never changed."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.models.tables import AuditHeadRow, AuditRow
from vgproject.schema.audit import AuditPage, AuditRecord


class AuditRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def read(self, *, after: int, limit: int) -> AuditPage:
        head = (await self._session.scalars(sa.select(AuditHeadRow))).one()
        query = sa.select(AuditRow).where(AuditRow.audit_seq > after).order_by(AuditRow.audit_seq).limit(limit)
        found = await self._session.scalars(query)
        return AuditPage(records=_records(found.all()), head_seq=head.audit_seq, head_hash=head.hash)

    async def seq_before(self, time: str) -> int:
        """The number of the last record before the first one of ``time`` or later."""
        first = await self._session.scalar(sa.select(sa.func.min(AuditRow.audit_seq)).where(AuditRow.time >= time))
        if first is not None:
            return int(first) - 1
        return int(await self._session.scalar(sa.select(AuditHeadRow.audit_seq)) or 0)


def _records(rows: Sequence[AuditRow]) -> list[AuditRecord]:
    names = [name for name in AuditRecord.model_fields if name != "about"]
    return [AuditRecord(**{name: getattr(row, name) for name in names}, about=json.loads(row.about)) for row in rows]
