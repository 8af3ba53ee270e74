"""What one connection follows, and what becomes of it when something goes wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocketDisconnect

from vgproject.errors import ForbiddenError, VgprojectError
from vgproject.memory_subscription import MemorySubscription
from vgproject.outbox import Outbox
from vgproject.subscription import Subscription
from vgproject.telemetry.log_context import add_ids

logger = logging.getLogger(__name__)

Following = Subscription | MemorySubscription


class Subscriptions:
    """By session, or by topic of a memory. ``refuse`` tells the client of an error."""

    __slots__ = ("_following", "_outbox", "_refuse", "_tasks")

    def __init__(self, outbox: Outbox, refuse: Callable[[VgprojectError], Awaitable[None]]) -> None:
        self._outbox = outbox
        self._refuse = refuse
        self._following: dict[str, Following] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._following

    def count_beside(self, topic: str | None) -> int:
        return len(self._following.keys() - {topic})

    @property
    def events_behind(self) -> int:
        """Of the one that is most behind its session's log. One that is live is not behind."""
        sessions = (one for one in self._following.values() if isinstance(one, Subscription))
        return max((one.cursor.events_behind for one in sessions), default=0)

    def add(self, topic: str, following: Following) -> None:
        self._following[topic] = following
        self.start(topic)

    def start(self, topic: str) -> None:
        """Have it send what is new, until it needs no task any more."""
        task = asyncio.create_task(self._run(topic, self._following[topic]), name=f"subscription {topic}")
        self._tasks[topic] = task
        task.add_done_callback(lambda _: self._forget(topic, task))

    def _forget(self, topic: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(topic) is task:
            del self._tasks[topic]

    async def drop(self, topic: str) -> None:
        if task := self._tasks.pop(topic, None):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if following := self._following.pop(topic, None):
            await _leave(following)

    async def drop_all(self) -> None:
        for topic in tuple(self._following):
            await self.drop(topic)

    async def _run(self, topic: str, following: Following) -> None:
        """Until it is live, or the client is gone; a log that cannot be read is told once, instead of silence. After a
        mistake of ours the connection is closed: the client comes back with what it has."""
        if isinstance(following, Subscription):
            add_ids(session_id=topic)
        with suppress(WebSocketDisconnect):
            try:
                await following.run()
            except VgprojectError as error:
                await self._end(topic, following)
                await self._refuse(error)
                if isinstance(error, ForbiddenError) and not self._following:
                    await self._outbox.close(4403, error.message)
            except WebSocketDisconnect:
                raise
            except Exception:
                logger.exception("A subscription failed by a mistake of ours")
                await self._end(topic, following)
                await self._refuse(VgprojectError(_MISTAKE))
                await self._outbox.close(1011, _MISTAKE)

    async def _end(self, topic: str, following: Following) -> None:
        self._following.pop(topic, None)
        await _leave(following)


async def _leave(following: Following) -> None:
    if isinstance(following, Subscription):
        await following.leave()


_MISTAKE = "The server made a mistake with this subscription; its log says which."
