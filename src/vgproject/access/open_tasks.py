"""How many tasks a user has that are not ended, and whether there is room for another."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vgproject.access.permissions import Caller
from vgproject.errors import RateLimitedError
from vgproject.repositories.unit_of_work import Database


class OpenTasks:
    def __init__(self, database: Database, most: int) -> None:
        self._database = database
        self._most = most
        self._coming: Counter[str] = Counter()
        """Those that have a place and are not stored yet: two that come at once do not both get the last one."""

    @asynccontextmanager
    async def place(self, caller: Caller) -> AsyncIterator[None]:
        """For one task, which is stored before this ends. Raises `RateLimitedError` (``too_many_tasks``)."""
        user_id = caller.user_id
        self._coming[user_id] += 1
        try:
            async with self._database.unit_of_work() as work:
                stored = await work.sessions.count_open_tasks(user_id)
            if stored + self._coming[user_id] > self._most:
                raise RateLimitedError(
                    f"You have {stored} tasks that wait, run or are paused, and may have {self._most}: wait until one ends,"
                    " or cancel one.",
                    code="too_many_tasks",
                )
            yield
        finally:
            self._coming[user_id] -= 1
            if not self._coming[user_id]:
                del self._coming[user_id]
