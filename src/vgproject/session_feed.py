"""One followed session: its events and deltas, made into frames once for all who are live."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from vgproject.access.members import ACCESS_EVENTS
from vgproject.broker.base import Broker, Delta
from vgproject.event_log import EventLog, LogCursor, StoredEvent
from vgproject.follower import Deltas, Follower, Write
from vgproject.schema.frames import Heartbeat
from vgproject.session_texts import SessionTexts
from vgproject.text_frame import TextFrame, join
from vgproject.texts import ended_texts, withdrawn_texts


class SessionFeed:
    """Listens while it has followers. Who has no room for a frame is live no more, and keeps nobody else waiting."""

    __slots__ = (
        "_beat",
        "_changed",
        "_closed",
        "_cursor",
        "_due",
        "_event_log",
        "_frame_bytes",
        "_heartbeat_seconds",
        "_live",
        "_loop",
        "_reading",
        "_session_id",
        "_spoke_at",
        "_stop_listening",
        "_task",
        "_texts",
    )

    def __init__(
        self,
        session_id: str,
        *,
        event_log: EventLog,
        broker: Broker,
        frame_bytes: int,
        windows: Mapping[Deltas, float],
        heartbeat_seconds: float,
        closed: Callable[[], None],
    ) -> None:
        """``closed`` is called when the last follower has left; who comes then gets another feed."""
        self._session_id = session_id
        self._event_log = event_log
        self._frame_bytes = frame_bytes
        self._heartbeat_seconds = heartbeat_seconds
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._live: dict[Follower, Write] = {}
        self._reading: set[Follower] = set()
        self._cursor = LogCursor(event_log, session_id, 0)
        """Where all are that are live."""
        self._texts = SessionTexts(
            session_id, broker, frame_bytes=frame_bytes, windows=windows, due=self._on_texts_due, lose=self._lose
        )
        self._due: asyncio.Handle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._spoke_at = 0.0
        self._task: asyncio.Task[None] | None = None
        """Reads the log for all who are live: nobody joins meanwhile."""
        self._changed = asyncio.Event()
        self._stop_listening = event_log.listen(session_id, self)

    def add(self, follower: Follower) -> None:
        """It reads the log with its own cursor, until it may `join`."""
        follower.cursor.reach(self._cursor.reached)
        self._reading.add(follower)

    def join(self, follower: Follower) -> bool:
        """Live from now on, where it has all that the others have; else it reads on, or waits for a `change`.

        There must be no ``await`` between its last look for more and this.
        """
        self._publish()
        cursor = follower.cursor
        if self._task or cursor.is_behind:
            return False
        if not self._live:
            self._cursor.move(cursor.after, cursor.reached)
        elif self._cursor.after != cursor.after:
            self._cursor.reach(cursor.after)
            self._publish()
            return False
        self._reading.discard(follower)
        self._live[follower] = follower.write
        self._texts.join(follower)
        if self._beat is None:
            self._spoke_at = self._loop.time()
            self._beat = self._loop.call_later(self._heartbeat_seconds, self._on_beat)
        return True

    async def change(self) -> None:
        """Until there may be more, or a place to join."""
        await self._changed.wait()

    def texts_so_far(self) -> list[Delta]:
        return self._texts.so_far()

    async def remove(self, follower: Follower) -> None:
        self._live.pop(follower, None)
        self._reading.discard(follower)
        self._texts.leave(follower)
        if not self._live and not self._reading:
            await self._close()

    async def _close(self) -> None:
        self._closed()
        self._stop_listening()
        self._texts.close()
        for handle in (self._due, self._beat):
            if handle:
                handle.cancel()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # What the broker calls

    def on_wake(self, seq: int) -> None:
        """The next commit does not wait for the writing: it is done in the loop's next turn."""
        self._cursor.reach(seq)
        for follower in self._reading:
            follower.cursor.reach(seq)
        self._tell_change()
        if self._due is None:
            self._due = self._loop.call_soon(self._guard, self._publish)

    def on_delta(self, delta: Delta) -> None:
        """What the log has goes first: it may end the text, or somebody's access."""
        if self._due:
            self._guard(self._publish)
        self._guard(self._texts.add, delta)

    def _on_texts_due(self, deltas: Deltas) -> None:
        """What is still to be read from the log goes first, too: `_run` tells them after that."""
        self._guard(self._publish)
        if self._task is None:
            self._guard(self._texts.tell, deltas)

    def _guard(self, step: Callable[..., None], *arguments: object) -> None:
        """A mistake of ours ends what is live, whose clients come back; it does not reach who wrote the event."""
        try:
            step(*arguments)
        except Exception as error:  # noqa: BLE001  (each connection logs it)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        for follower in tuple(self._live):
            self._leave(follower, self._cursor.after, error)

    # Events

    def _publish(self) -> None:
        """Write what is new to all who are live; what is not in memory is read first."""
        if self._due:
            self._due.cancel()
            self._due = None
        if self._task:
            return
        before = self._cursor.after
        while events := self._cursor.take_recent(self._frame_bytes):
            self._pass_on(events, before)
            before = self._cursor.after
        if self._cursor.is_behind and self._live:
            self._start(self._read_log)
        elif self._cursor.is_behind:
            self._cursor.move(self._cursor.reached, self._cursor.reached)

    def _pass_on(self, events: list[StoredEvent], before: int) -> None:
        """Those that end somebody's access each client reads for itself, and is asked first whether it still may."""
        for event in events:
            self._texts.end(ended_texts(event.type, event.payload))
            for key in withdrawn_texts(event.type, event.payload):
                self._texts.withdraw(key)
        self._spoke_at = self._loop.time()
        if not ACCESS_EVENTS.isdisjoint([event.type for event in events]):
            for follower in tuple(self._live):
                self._leave(follower, before)
        if self._live:
            self._write(join([event.payload for event in events]), before)
        for follower in self._texts.take_able():
            self._leave(follower, self._cursor.after)
        self._tell_change()

    def _write(self, payload: bytes, before: int) -> None:
        frame = TextFrame(payload)
        for follower in [follower for follower, write in self._live.items() if not write(frame)]:
            self._leave(follower, before)

    def _lose(self, follower: Follower) -> None:
        self._leave(follower, self._cursor.after)

    def _leave(self, follower: Follower, after: int, error: Exception | None = None) -> None:
        if self._live.pop(follower, None) is None:
            return
        self._texts.leave(follower)
        self._reading.add(follower)
        follower.cursor.move(after, max(self._cursor.reached, self._cursor.after))
        if error:
            follower.fail(error)
        else:
            follower.read_on()
        self._tell_change()

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed.clear()

    # What takes time

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        self._task = asyncio.create_task(self._run(work), name=f"feed of {self._session_id}")

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (each connection logs it)
            self._fail(error)
        finally:
            self._task = None
        self._guard(self._publish)
        if self._task is None:
            self._guard(self._texts.tell_all)
        self._tell_change()

    async def _read_log(self) -> None:
        while self._live and self._cursor.is_behind:
            before = self._cursor.after
            if events := await self._cursor.next_events(self._frame_bytes):
                self._pass_on(events, before)

    def _on_beat(self) -> None:
        self._beat = None
        if not self._live:
            return
        wait = self._spoke_at + self._heartbeat_seconds - self._loop.time()
        if wait <= 0:
            wait = self._heartbeat_seconds
            if self._task is None:
                self._start(self._beat_once)
        self._beat = self._loop.call_later(wait, self._on_beat)

    async def _beat_once(self) -> None:
        """The head comes from the log, in case a wake-up was lost."""
        head = await self._event_log.head(self._session_id)
        if not self._cursor.reach(head.seq):
            beat = Heartbeat(session_id=self._session_id, head_seq=head.seq)
            self._write(beat.model_dump_json().encode(), self._cursor.after)
