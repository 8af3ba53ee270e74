"""The durable log of each session: append, read, follow."""

import asyncio
import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from vgproject.broker.base import Broker, Delta, Listener
from vgproject.errors import NotFoundError, VgprojectError
from vgproject.event_rings import EventRings
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.event_store import (
    ASKS,
    CONTROL,
    MEMBERS,
    SETTLES,
    Answer,
    Appended,
    Batch,
    Blob,
    EventStore,
    Holders,
    NewRecord,
    NewSession,
    Record,
    member_of,
)
from vgproject.repositories.postgres_event_store import PostgresEventStore
from vgproject.repositories.sqlite_event_store import SqliteCheckpointer, SqliteEventStore
from vgproject.schema.base import Actor, EventData
from vgproject.schema.events import EVENT_TYPES, TaskQueued, UnknownEvent
from vgproject.schema.frames import EventFrame
from vgproject.schema.previews import MAX_DATA_BYTES, preview
from vgproject.texts import ended_texts
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.ids import NewId, derived_id
from vgproject.utils.secrets import SecretMask

logger = logging.getLogger(__name__)

_QUESTIONS = {**ASKS, **SETTLES}
_LOOKED_INTO = frozenset({TaskQueued.type, CONTROL, *_QUESTIONS, *MEMBERS})
"""Events whose data says something of their session or task."""

BATCH_BYTES = 256 * 1024
BATCH_EVENTS = 500
"""What a follower is given at once, so that a slow one holds no more."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """``key`` is unique in its session: an event with a key that is there already is not stored again.

    ``answer`` is that of the command which makes the event, and is stored with it.
    """

    data: EventData
    actor: Actor
    task_id: str | None = None
    phase: str | None = None
    key: str | None = None
    answer: Answer | None = None


class StoredEvent(NamedTuple):
    """``payload`` is the whole frame as JSON, ready to be sent. ``inserted`` is false for one that was there."""

    session_id: str
    seq: int
    type: str
    payload: bytes
    inserted: bool = True

    def frame(self) -> EventFrame:
        return EventFrame.model_validate_json(self.payload, extra="ignore")

    def data(self) -> EventData:
        """The typed data. That of an event too large for its frame holds previews.

        What a later release adds to a log does not keep this one from reading it: fields it does not know are
        left out, and an event of a type it does not know is an `UnknownEvent`.
        """
        data = {key: value for key, value in self.frame().data.items() if key != "blob"}
        if self.type not in EVENT_TYPES:
            return UnknownEvent(kind=self.type, fields=data)
        return EVENT_TYPES[self.type].model_validate(data, extra="ignore")


@dataclass(frozen=True, slots=True)
class LogHead:
    seq: int
    epoch: str


class EventLogSettings(BaseModel):
    """``[event_log]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """Of SQLite. NORMAL is faster, and may lose the last commits when the power fails."""
    ring_bytes: int = Field(default=1024 * 1024, ge=0)
    """A session's events of late that are kept in memory."""
    rings: int = Field(default=200, ge=1)
    """Sessions whose events of late are kept in memory."""
    poll_seconds: float = Field(default=1.0, gt=0)
    """On PostgreSQL: how often followed sessions are looked at for what other processes wrote, should no word come."""


class EventLog:
    """Made by `open_event_log`. Events are stored before anybody is told of them."""

    def __init__(
        self,
        open_store: Callable[[], EventStore],
        broker: Broker,
        settings: EventLogSettings,
        *,
        now: Clock,
        new_id: NewId,
        secrets: SecretMask | None = None,
    ) -> None:
        self._broker = broker
        self._secrets = secrets or SecretMask()
        self._now = now
        self._new_id = new_id
        self._writer_thread: threading.Thread | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="event-writer", initializer=self._note_writer)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="event-reader")
        self._write_store = open_store()
        self._read_store = open_store()
        self._epochs: dict[str, str] = {}
        self._rings: EventRings[StoredEvent] = EventRings(max_rings=settings.rings, max_bytes=settings.ring_bytes)
        self._followed: Counter[str] = Counter()
        self._pending: list[tuple[Batch, asyncio.Future[list[StoredEvent]]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._observers: list[Callable[[StoredEvent], None]] = []
        self._on_commit: Callable[[int, float], None] = lambda events, seconds: None

    def observe_commits(self, observer: Callable[[int, float], None]) -> None:
        """Call ``observer`` with how many events were stored together, and the seconds that took."""
        self._on_commit = observer

    def _note_writer(self) -> None:
        self._writer_thread = threading.current_thread()

    def is_writing(self) -> bool:
        """False once the thread that writes has ended: it does not come back, and whoever appends waits for ever."""
        return self._writer_thread is None or self._writer_thread.is_alive()

    def observe(self, observer: Callable[[StoredEvent], None]) -> None:
        """Call ``observer`` for every event of every session once it is stored; it must not block."""
        self._observers.append(observer)

    async def append(
        self,
        session_id: str,
        events: Sequence[NewEvent],
        *,
        session: NewSession | None = None,
        holders: Holders = None,
    ) -> list[StoredEvent]:
        """Store the events in this order, all or none, with the secrets in them masked, and with them the ``session``
        that they begin.

        Raises `NotFoundError` (``no_such_session``), `ConflictError` where none of ``holders`` holds control of the
        session, and `StorageError` (``disk_full``, ``database_unavailable``).
        """
        epoch = session.epoch if session else self._epochs.get(session_id) or await self._epoch(session_id)
        time = to_wire(self._now())
        records = tuple([self._record(session_id, epoch, time, event) for event in events])
        batch = Batch(session_id, records, session, holders)
        future: asyncio.Future[list[StoredEvent]] = asyncio.get_running_loop().create_future()
        self._pending.append((batch, future))
        if self._committing is None:
            # In a context of its own: it stores for others than who began it, too.
            self._committing = asyncio.create_task(self._commit_pending(), name="event log commit", context=Context())
        return await future

    async def _commit_pending(self) -> None:
        """Group commit: the next batch is whatever came while the last was being committed."""
        try:
            while self._pending:
                waiting, self._pending = self._pending, []
                began = time.monotonic()
                results = await self._commit([batch for batch, _ in waiting])
                self._on_commit(sum(len(batch.records) for batch, _ in waiting), time.monotonic() - began)
                reached: dict[str, int] = {}
                for (batch, future), result in zip(waiting, results, strict=True):
                    if seq := self._settle(batch.session_id, future, result):
                        reached[batch.session_id] = seq
                for session_id, seq in reached.items():
                    self._broker.wake(session_id, seq)
        finally:
            self._committing = None

    async def _commit(self, batches: list[Batch]) -> Sequence[Appended | VgprojectError]:
        """A batch that cannot be stored by a mistake of ours keeps nobody else's from being stored, and none waiting."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, self._write_store.append, batches)
        except VgprojectError as error:
            return [error] * len(batches)
        except Exception as error:
            if len(batches) > 1:
                return [result for batch in batches for result in await self._commit([batch])]
            logger.exception("Events of session %s cannot be stored", batches[0].session_id)
            return [VgprojectError(f"The server has a bug ({type(error).__name__}); its log has the details.")]

    def _settle(
        self, session_id: str, future: "asyncio.Future[list[StoredEvent]]", result: Appended | VgprojectError
    ) -> int:
        """The last new seq; 0 if there is none. Who does not wait any more keeps nothing from being stored."""
        if isinstance(result, VgprojectError):
            if not future.done():
                future.set_exception(result)
            return 0
        stored = [_stored(session_id, record, inserted) for record, inserted in result]
        if not future.done():
            future.set_result(stored)
        fresh = [event for event in stored if event.inserted]
        if not fresh:
            return 0
        self._rings.extend(session_id, fresh)
        self._end_texts(session_id, fresh)
        self._tell_observers(fresh)
        return fresh[-1].seq

    def _end_texts(self, session_id: str, fresh: list[StoredEvent]) -> None:
        """Before anybody is told of the events, so that nobody who has them is given their texts so far."""
        for event in fresh:
            for _, text_id in ended_texts(event.type, event.payload):
                self._broker.end_message(session_id, text_id)

    def _tell_observers(self, fresh: list[StoredEvent]) -> None:
        for observer in self._observers:
            try:
                for event in fresh:
                    observer(event)
            except Exception:
                logger.exception("An observer of events failed; the events are stored")

    async def keep_blob(self, session_id: str, content: bytes) -> dict[str, Any]:
        """Keep ``content``, its secrets masked, with the session: ``{id, bytes, sha256}``. The same is kept once.

        Raises `NotFoundError` (``no_such_session``) and `StorageError`.
        """

        def keep() -> Blob:
            blob = _blob(session_id, self._secrets.mask_bytes(content))
            self._write_store.keep_blob(session_id, blob)
            return blob

        return _reference(await asyncio.get_running_loop().run_in_executor(self._writer, keep))

    def forget(self, session_id: str) -> None:
        """The session was deleted."""
        self._rings.forget(session_id)
        self._epochs.pop(session_id, None)

    def _record(self, session_id: str, epoch: str, time: str, event: NewEvent) -> NewRecord:
        text, type_ = event.data.model_dump_json(), event.data.type
        data: dict[str, Any] | None = None
        if self._secrets.may_hold(text):
            data = self._secrets.mask_json(orjson.loads(text))
            text = orjson.dumps(data).decode()
        blob = None
        if len(text) > MAX_DATA_BYTES // 4 and len(whole := text.encode()) > MAX_DATA_BYTES:
            blob, data = _blob(session_id, whole), data or orjson.loads(whole)
            text = orjson.dumps(preview(type(event.data), data) | {"blob": _reference(blob)}).decode()
        data = (data or orjson.loads(text)) if type_ in _LOOKED_INTO else {}
        return NewRecord(
            type=type_,
            key=event.key,
            payload=f'{{"type":"{type_}",{_place(session_id, epoch)},"time":"{time}",{_origin(event)},"data":{text}}}',
            time=time,
            task_id=event.task_id,
            content=data["content"] if type_ == TaskQueued.type else "",
            blob=blob,
            question=data.get(_QUESTIONS.get(type_, "")),
            member=member_of(type_, data),
            holder=data["holder"] if type_ == CONTROL else None,
            answer=event.answer,
            user_id=event.actor.id if event.actor.kind == "user" else None,
        )

    async def _epoch(self, session_id: str) -> str:
        if session_id not in self._epochs:
            self._epochs[session_id] = (await self.head(session_id)).epoch
        return self._epochs[session_id]

    async def head(self, session_id: str) -> LogHead:
        """Raises `NotFoundError` (``no_such_session``)."""
        session = await self._read(self._read_store.session, session_id)
        return LogHead(session.head_seq, session.epoch)

    async def find(self, session_id: str, key: str) -> StoredEvent | None:
        record = await self._read(self._read_store.find, session_id, key)
        return _stored(session_id, record) if record else None

    async def read(
        self,
        session_id: str,
        *,
        after: int,
        limit: int = BATCH_EVENTS,
        max_bytes: int | None = None,
        types: Collection[str] = (),
    ) -> list[StoredEvent]:
        """The first always, then those whose payloads are as stored, with it, not more than ``max_bytes``."""
        return await self._read_events(session_id, after, limit, tuple(types), max_bytes)

    async def read_before(self, session_id: str, *, before: int, limit: int, max_bytes: int) -> list[StoredEvent]:
        """The last ones before the seq ``before``, in order; fewer than ``limit`` where they are more than ``max_bytes``."""

        def read() -> list[Record]:
            return self._read_store.read_before(session_id, before=before, limit=limit, max_bytes=max_bytes)

        return [_stored(session_id, record) for record in await self._read(read)]

    async def read_types(
        self, session_id: str, types: Collection[str], *, after: int = 0, limit: int = 1_000_000
    ) -> list[StoredEvent]:
        """Those of the given types, with all of their data."""
        events = await self._read_events(session_id, after, limit, tuple(types))
        return [await self.whole(event) for event in events]

    async def whole(self, event: StoredEvent) -> StoredEvent:
        """The event with all of its data, also where its frame holds only a preview of it."""
        if b'"blob":' not in event.payload or "blob" not in (frame := event.frame()).data:
            return event
        _, content = await self.blob(frame.data["blob"]["id"])
        fields = {**frame.model_dump(), "data": orjson.Fragment(content)}
        return event._replace(payload=orjson.dumps(fields))

    async def _read_events(
        self, session_id: str, after: int, limit: int, types: tuple[str, ...], max_bytes: int | None = None
    ) -> list[StoredEvent]:
        def read() -> list[Record]:
            return self._read_store.read(session_id, after=after, limit=limit, types=types, max_bytes=max_bytes)

        return [_stored(session_id, record) for record in await self._read(read)]

    async def blob(self, blob_id: str) -> tuple[str, bytes]:
        """The session it belongs to, and its content."""
        found = await self._read(self._read_store.blob, blob_id)
        if found is None:
            raise no_such_blob(blob_id)
        return found

    async def _read(self, function: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, lambda: function(*arguments))

    def recent(self, session_id: str, after: int, limit: int = BATCH_EVENTS) -> list[StoredEvent] | None:
        """The first events after ``after`` from memory; ``None`` where they are not all there."""
        return self._rings.after(session_id, after, limit)

    def listen(self, session_id: str, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` told of what is new in the session, by whatever process. Returns what ends it."""
        stop = self._broker.listen(session_id, listener)
        self._followed[session_id] += 1

        def end() -> None:
            stop()
            self._followed[session_id] -= 1
            if not self._followed[session_id]:
                del self._followed[session_id]

        return end

    async def follow(self, session_id: str, *, after: int) -> AsyncGenerator[list[StoredEvent], None]:
        """Batches of the events after ``after``, in order, none twice and none missing, for ever."""
        cursor = LogCursor(self, session_id, after)
        wake = WakeUp(cursor)
        stop = self.listen(session_id, wake)
        try:
            while True:
                wake.event.clear()
                if events := await cursor.next_events():
                    yield events
                else:
                    await wake.event.wait()
        finally:
            stop()

    async def run_poll(self, seconds: float) -> None:
        """Wake the followers of sessions to which another process wrote; until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            if not self._followed:
                continue
            try:
                heads = await self._read(self._read_store.heads, tuple(self._followed))
            except VgprojectError:
                logger.warning("The log cannot be looked at.", exc_info=True)
                continue
            for session_id, seq in heads.items():
                if self.recent(session_id, seq) is None:
                    self._broker.wake(session_id, seq)

    async def close(self) -> None:
        if self._committing:
            await self._committing
        self._writer.shutdown()
        self._reader.shutdown()
        self._write_store.close()
        self._read_store.close()


def no_such_blob(blob_id: str) -> NotFoundError:
    return NotFoundError(f"There is no blob {blob_id!r}.", code="no_such_blob")


class LogCursor:
    """Reads a session's log on from ``after``: from memory where it is there, else from the database."""

    __slots__ = ("_event_log", "_looked", "_session_id", "after", "reached")

    def __init__(self, event_log: EventLog, session_id: str, after: int) -> None:
        self._event_log = event_log
        self._session_id = session_id
        self._looked = False
        self.after = after
        self.reached = 0
        """What the log is said to reach."""

    @property
    def is_behind(self) -> bool:
        return self.reached > self.after

    def reach(self, seq: int) -> bool:
        """The log is said to reach ``seq``: whether this cursor is behind that."""
        self.reached = max(self.reached, seq)
        return self.is_behind

    def move(self, after: int, reached: int) -> None:
        """To where another cursor was, and to what that was told."""
        self.after, self.reached, self._looked = after, reached, True

    def take_recent(self, max_bytes: int = BATCH_BYTES) -> list[StoredEvent]:
        """As `next_events`, of those in memory."""
        events = _first(self._event_log.recent(self._session_id, self.after) or [], max_bytes)
        if events:
            self.after = events[-1].seq
        return events

    @property
    def events_behind(self) -> int:
        return max(self.reached - self.after, 0)

    async def next_events(self, max_bytes: int = BATCH_BYTES) -> list[StoredEvent]:
        """At least one and not more than ``max_bytes`` of them; empty where nothing is new: then there will be a word
        before there is more."""
        events = self.take_recent(max_bytes)
        if not events and (self.is_behind or not self._looked):
            reached = self.reached
            read = await self._event_log.read(self._session_id, after=self.after, max_bytes=max_bytes)
            events = _first(read, max_bytes)
            self._looked = not events
            if events:
                self.after = events[-1].seq
            elif self.reached == reached:
                self.reached = self.after  # What was said to be there is gone with its session.
        return events


class WakeUp:
    """A listener that only tells its cursor that there is more."""

    def __init__(self, cursor: LogCursor) -> None:
        self.event = asyncio.Event()
        self._cursor = cursor

    def on_wake(self, seq: int) -> None:
        self._cursor.reach(seq)
        self.event.set()

    def on_delta(self, delta: Delta) -> None:
        pass


@asynccontextmanager
async def open_event_log(
    url: DatabaseUrl,
    broker: Broker,
    *,
    now: Clock,
    new_id: NewId,
    settings: EventLogSettings | None = None,
    secrets: SecretMask | None = None,
) -> AsyncIterator[EventLog]:
    settings = settings or EventLogSettings()
    async with AsyncExitStack() as stack:
        open_store = _store_opener(url, settings)
        event_log = EventLog(open_store, broker, settings, now=now, new_id=new_id, secrets=secrets)
        stack.push_async_callback(event_log.close)
        if url.path:
            stack.callback(SqliteCheckpointer(url.path).close)
        else:
            poll = asyncio.create_task(event_log.run_poll(settings.poll_seconds), name="event log poll")
            stack.push_async_callback(_end, poll)
        yield event_log


def _store_opener(url: DatabaseUrl, settings: EventLogSettings) -> Callable[[], EventStore]:
    if url.path:
        return partial(SqliteEventStore, url.path, synchronous=settings.synchronous)
    return partial(PostgresEventStore, url)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _blob(session_id: str, content: bytes) -> Blob:
    sha256 = hashlib.sha256(content).hexdigest()
    return Blob(derived_id("blb", session_id, sha256), sha256, content)


@lru_cache(1024)
def _place(session_id: str, epoch: str) -> str:
    return orjson.dumps({"session_id": session_id, "epoch": epoch}).decode()[1:-1]


def _origin(event: NewEvent) -> str:
    return _origin_of(event.task_id, event.phase, event.actor.kind, event.actor.id)


@lru_cache(1024)
def _origin_of(task_id: str | None, phase: str | None, kind: str, actor_id: str) -> str:
    actor = {"kind": kind, "id": actor_id}
    return orjson.dumps({"task_id": task_id, "phase": phase, "actor": actor}).decode()[1:-1]


def _reference(blob: Blob) -> dict[str, Any]:
    return {"id": blob.id, "bytes": len(blob.content), "sha256": blob.sha256}


def _first(events: list[StoredEvent], max_bytes: int) -> list[StoredEvent]:
    total = 0
    for index, event in enumerate(events):
        total += len(event.payload) + 1
        if index and total > max_bytes:
            return events[:index]
    return events


def _stored(session_id: str, record: Record, inserted: bool = True) -> StoredEvent:
    payload = f'{{"seq":{record.seq},{record.payload[1:]}'.encode()
    return StoredEvent(session_id, record.seq, record.type, payload, inserted)
