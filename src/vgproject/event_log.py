"""The durable log of each session: append, read, follow."""

import asyncio
import hashlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import orjson

from vgproject.broker.base import Broker, Delta
from vgproject.errors import NotFoundError, VgprojectError
from vgproject.repositories.event_store import Appended, Batch, NewRecord, Record, SqliteEventStore
from vgproject.schema.base import Actor, EventData, JsonObject
from vgproject.schema.events import EVENT_TYPES, TaskQueued
from vgproject.schema.frames import EventFrame
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.ids import NewId

MAX_DATA_BYTES = 64 * 1024
PREVIEW_CHARACTERS = 2_000
RING_EVENTS = 1_000

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """``key`` is unique in its session: an event with a key that is there already is not stored again."""

    data: EventData
    actor: Actor
    task_id: str | None = None
    phase: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """``payload`` is the whole frame as JSON, ready to be sent. ``inserted`` is false for one that was there."""

    session_id: str
    seq: int
    type: str
    payload: bytes
    inserted: bool = True

    def frame(self) -> EventFrame:
        return EventFrame.model_validate_json(self.payload)

    def data(self) -> EventData:
        """The typed data. That of an event too large for its frame holds previews."""
        data = {key: value for key, value in self.frame().data.items() if key != "blob"}
        return EVENT_TYPES[self.type].model_validate(data)


@dataclass(frozen=True, slots=True)
class LogHead:
    seq: int
    epoch: str


class EventLog:
    """Made by `open_event_log`. Events are stored before anybody is told of them."""

    def __init__(self, path: Path, broker: Broker, *, now: Clock, new_id: NewId) -> None:
        self._broker = broker
        self._now = now
        self._new_id = new_id
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="event-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="event-reader")
        self._write_store = SqliteEventStore(path)
        self._read_store = SqliteEventStore(path)
        self._epochs: dict[str, str] = {}
        self._rings: dict[str, deque[StoredEvent]] = defaultdict(lambda: deque(maxlen=RING_EVENTS))
        self._pending: list[tuple[Batch, asyncio.Future[Appended]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def append(self, session_id: str, events: Sequence[NewEvent]) -> list[StoredEvent]:
        """Store the events in this order, all or none.

        Raises `NotFoundError` (``no_such_session``) and `UnavailableError` (``disk_full``, ``database_unavailable``).
        """
        epoch = await self._epoch(session_id)
        batch = Batch(session_id, tuple(self._record(session_id, epoch, event) for event in events))
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._pending.append((batch, future))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_pending(), name="event log commit")
        return [_stored(session_id, record, inserted) for record, inserted in await asyncio.shield(future)]

    async def _commit_pending(self) -> None:
        """Group commit: the next batch is whatever came while the last was being committed."""
        loop = asyncio.get_running_loop()
        while self._pending:
            waiting, self._pending = self._pending, []
            batches = [batch for batch, _ in waiting]
            results = await loop.run_in_executor(self._writer, self._write_store.append, batches)
            for (batch, future), result in zip(waiting, results, strict=True):
                self._settle(batch.session_id, future, result)
            for session_id in {batch.session_id for batch in batches}:
                self._broker.wake(session_id)
        self._committing = None

    def _settle(self, session_id: str, future: "asyncio.Future[Appended]", result: Appended | VgprojectError) -> None:
        if isinstance(result, VgprojectError):
            future.set_exception(result)
            return
        ring = self._rings[session_id]
        ring.extend(_stored(session_id, record, inserted) for record, inserted in result if inserted)
        future.set_result(result)

    def _record(self, session_id: str, epoch: str, event: NewEvent) -> NewRecord:
        data = event.data.model_dump(mode="json")
        blobs: tuple[tuple[str, str, bytes], ...] = ()
        if len(whole := orjson.dumps(data)) > MAX_DATA_BYTES:
            blob_id, sha256 = self._new_id("blb"), hashlib.sha256(whole).hexdigest()
            blobs = ((blob_id, sha256, whole),)
            data = _preview(data) | {"blob": {"id": blob_id, "bytes": len(whole), "sha256": sha256}}
        time = to_wire(self._now())
        frame = {
            "type": event.data.type,
            "session_id": session_id,
            "epoch": epoch,
            "time": time,
            "task_id": event.task_id,
            "phase": event.phase,
            "actor": event.actor.model_dump(),
            "data": data,
        }
        return NewRecord(
            type=event.data.type,
            key=event.key,
            payload=orjson.dumps(frame).decode(),
            time=time,
            task_id=event.task_id,
            content=event.data.content if isinstance(event.data, TaskQueued) else "",
            blobs=blobs,
        )

    async def _epoch(self, session_id: str) -> str:
        if session_id not in self._epochs:
            self._epochs[session_id] = (await self.head(session_id)).epoch
        return self._epochs[session_id]

    async def head(self, session_id: str) -> LogHead:
        """Raises `NotFoundError` (``no_such_session``)."""
        _, seq, epoch = await self._read(self._read_store.session, session_id)
        return LogHead(seq, epoch)

    async def find(self, session_id: str, key: str) -> StoredEvent | None:
        record = await self._read(self._read_store.find, session_id, key)
        return _stored(session_id, record) if record else None

    async def read(self, session_id: str, *, after: int, limit: int = 500) -> list[StoredEvent]:
        return await self._read_events(session_id, after, limit, ())

    async def read_types(
        self, session_id: str, types: Collection[str], *, after: int = 0, limit: int = 1_000_000
    ) -> list[StoredEvent]:
        return await self._read_events(session_id, after, limit, tuple(types))

    async def _read_events(self, session_id: str, after: int, limit: int, types: tuple[str, ...]) -> list[StoredEvent]:
        def read() -> list[Record]:
            return self._read_store.read(session_id, after=after, limit=limit, types=types)

        return [_stored(session_id, record) for record in await self._read(read)]

    async def blob(self, blob_id: str) -> tuple[str, bytes]:
        """The session it belongs to, and its content."""
        found = await self._read(self._read_store.blob, blob_id)
        if found is None:
            raise NotFoundError(f"There is no blob {blob_id!r}.", code="no_such_blob")
        return found

    async def keep_blob(self, session_id: str, content: bytes) -> JsonObject:
        """Store ``content``; its ``id``, ``bytes`` and ``sha256``."""
        blob_id, sha256 = self._new_id("blb"), hashlib.sha256(content).hexdigest()
        await asyncio.get_running_loop().run_in_executor(
            self._writer, self._write_store.put_blob, blob_id, session_id, sha256, content
        )
        return {"id": blob_id, "bytes": len(content), "sha256": sha256}

    async def _read(self, function: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, lambda: function(*arguments))

    def recent(self, session_id: str, after: int) -> list[StoredEvent] | None:
        """The events after ``after`` from memory; ``None`` where they are not all there."""
        ring = self._rings.get(session_id)
        if not ring or ring[0].seq > after + 1:
            return None
        return [event for event in ring if event.seq > after]

    async def follow(self, session_id: str, *, after: int) -> AsyncIterator[list[StoredEvent]]:
        """Batches of the events after ``after``, in order, none twice and none missing, for ever."""
        wake = WakeUp()
        stop = self._broker.listen(session_id, wake)
        try:
            while True:
                wake.event.clear()
                events = self.recent(session_id, after)
                if events is None:
                    events = await self.read(session_id, after=after)
                if events:
                    yield events
                    after = events[-1].seq
                else:
                    await wake.event.wait()
        finally:
            stop()

    async def close(self) -> None:
        if self._committing:
            await self._committing
        self._writer.shutdown()
        self._reader.shutdown()
        self._write_store.close()
        self._read_store.close()


@asynccontextmanager
async def open_event_log(path: Path, broker: Broker, *, now: Clock, new_id: NewId) -> AsyncIterator[EventLog]:
    event_log = EventLog(path, broker, now=now, new_id=new_id)
    try:
        yield event_log
    finally:
        await event_log.close()


class WakeUp:
    """A listener that only remembers that there is more."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def on_wake(self) -> None:
        self.event.set()

    def on_delta(self, delta: Delta) -> None:
        pass


def _stored(session_id: str, record: Record, inserted: bool = True) -> StoredEvent:
    payload = f'{{"seq":{record.seq},{record.payload[1:]}'.encode()
    return StoredEvent(session_id, record.seq, record.type, payload, inserted)


def _preview(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return {key: _shorten(item) for key, item in value.items()}


def _shorten(value: object) -> object:
    """The same shape with long texts and lists cut, so that the data still loads as its type."""
    match value:
        case str():
            return value[:PREVIEW_CHARACTERS]
        case dict():
            return {key: _shorten(item) for key, item in value.items()}
        case list():
            return [_shorten(item) for item in value[:50]]
        case _:
            return value
