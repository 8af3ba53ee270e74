"""One connection's view of one session: the log from its cursor on, until it is live in the session's feed."""

from collections.abc import Awaitable, Callable

import orjson

from vgproject.access.members import ACCESS_EVENTS
from vgproject.event_log import LogCursor
from vgproject.follower import Deltas, Write
from vgproject.outbox import Outbox
from vgproject.session_feed import SessionFeed
from vgproject.text_frame import join
from vgproject.texts import ToldTexts, characters_of


class Subscription:
    """A client that is behind reads at its own pace, and loses deltas, never events. One that is live has no task."""

    __slots__ = ("_failure", "_feed", "_left", "_may_read", "_outbox", "_start", "_told", "cursor", "deltas")

    def __init__(
        self,
        feed: SessionFeed,
        cursor: LogCursor,
        *,
        deltas: Deltas,
        outbox: Outbox,
        may_read: Callable[[], Awaitable[None]],
        start: Callable[[], None],
        left: Callable[[], None] = lambda: None,
    ) -> None:
        """``may_read`` raises where the client may not see the session any more; ``start`` has `run` run in a task;
        ``left`` is called at its end, perhaps more than once."""
        self._feed = feed
        self.cursor = cursor
        self.deltas: Deltas = deltas
        self._outbox = outbox
        self._may_read = may_read
        self._start = start
        self._left = left
        self._told = ToldTexts()
        self._failure: Exception | None = None
        feed.add(self)

    @property
    def write(self) -> Write:
        return self._outbox.write_now

    async def run(self) -> None:
        """Send until the client has all there is, and is live. What is in the making is told from its beginning."""
        if self._failure:
            raise self._failure
        while True:
            while await self._outbox.send_next(self._next_frame):
                pass
            if self._feed.join(self):
                return
            if not self.cursor.is_behind:
                await self._feed.change()

    def read_on(self) -> None:
        self._told = ToldTexts()
        self._start()

    def fail(self, error: Exception) -> None:
        self._failure = error
        self._start()

    async def leave(self) -> None:
        self._left()
        await self._feed.remove(self)

    async def _next_frame(self) -> bytes | None:
        """Events before deltas: a text so far is told to who has all events, and so may still read."""
        events = await self.cursor.next_events(self._outbox.frame_bytes)
        if not events:
            return self._next_texts()
        if any(event.type in ACCESS_EVENTS for event in events):
            await self._may_read()
        return join([event.payload for event in events])

    def _next_texts(self) -> bytes | None:
        if self.deltas == "none" or self.cursor.is_behind:
            return None
        parts = self._told.next_parts(self._feed.texts_so_far(), characters_of(self._outbox.frame_bytes))
        return join([orjson.dumps(part) for part in parts]) if parts else None
