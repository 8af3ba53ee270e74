"""Sessions and their tasks. What events say of them (heads, statuses) is written by `event_store`."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from vgproject.errors import NotFoundError
from vgproject.models.tables import CommandRow, EventRow, MemberRow, SessionRow, TaskRow, TurnRow
from vgproject.repositories.event_store import SEQ_BITS, event_id
from vgproject.schema.access import EVERYBODY

OPEN_STATUSES = ("queued", "running", "paused")


QUESTION_KINDS = {"apr": "approval", "qst": "question", "rec": "recovery", "budget": "budget"}
"""By how the ids of what is asked begin."""


class OpenCounts(NamedTuple):
    """What is open in all sessions: tasks by status, and by kind what waits for a person."""

    tasks: dict[str, int]
    questions: dict[str, int]


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

    async def list_all(self, user_id: str | None, limit: int) -> Sequence[SessionRow]:
        """The newest first; with a user, those that this user may see."""
        query = sa.select(SessionRow).order_by(SessionRow.number.desc()).limit(limit)
        if user_id is not None:
            seen = sa.select(MemberRow.session_id).where(MemberRow.user_id.in_((user_id, EVERYBODY)))
            query = query.where(SessionRow.id.in_(seen))
        return (await self._session.scalars(query)).all()

    async def delete(self, row: SessionRow) -> None:
        """With its events, turns and answers; its tasks and blobs go with its row.

        The row is held first, so that no event comes in between.
        """
        await self._session.execute(sa.select(SessionRow.number).where(SessionRow.id == row.id).with_for_update())
        first = event_id(row.number, 0)
        for statement in (
            sa.delete(EventRow).where(EventRow.id > first, EventRow.id < first + (1 << SEQ_BITS)),
            sa.delete(TurnRow).where(TurnRow.session_id == row.id),
            sa.delete(CommandRow).where(CommandRow.session_id == row.id),
        ):
            await self._session.execute(statement)
        await self._session.execute(sa.delete(SessionRow).where(SessionRow.id == row.id))

    async def list_tasks(self, session_id: str) -> Sequence[TaskRow]:
        query = sa.select(TaskRow).where(TaskRow.session_id == session_id).order_by(TaskRow.queued_seq)
        return (await self._session.scalars(query)).all()

    async def count_open_tasks(self, user_id: str) -> int:
        """Those that this user queued."""
        is_open = TaskRow.status.in_(OPEN_STATUSES) & (TaskRow.queued_by == user_id)
        return await self._session.scalar(sa.select(sa.func.count()).select_from(TaskRow).where(is_open)) or 0

    async def count_open(self) -> OpenCounts:
        by_status = sa.select(TaskRow.status, sa.func.count()).where(TaskRow.status.in_(OPEN_STATUSES))
        counted = await self._session.execute(by_status.group_by(TaskRow.status))
        waiting = await self._session.scalars(sa.select(SessionRow.waiting).where(SessionRow.waiting != "[]"))
        asked = Counter(_kind(question) for row in waiting for question in json.loads(row))
        return OpenCounts(dict.fromkeys(OPEN_STATUSES, 0) | {row[0]: row[1] for row in counted}, dict(asked))

    async def list_open_tasks(self) -> Sequence[TaskRow]:
        return (await self._session.scalars(sa.select(TaskRow).where(TaskRow.status.in_(OPEN_STATUSES)))).all()


def _kind(question: str) -> str:
    """Of a question as `event_store` writes it: ``task/id``."""
    return QUESTION_KINDS.get(question.rpartition("/")[2].partition("_")[0], "other")
