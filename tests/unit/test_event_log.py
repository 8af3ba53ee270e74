import asyncio
import ctypes
import json
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from databases import Postgres, make_session
from vgproject.broker.in_process import InProcessBroker
from vgproject.errors import ConflictError, NotFoundError, UnavailableError, VgprojectError
from vgproject.event_log import EventLog, EventLogSettings, LogCursor, NewEvent, StoredEvent, open_event_log
from vgproject.models.tables import SessionRow
from vgproject.repositories.database_url import DatabaseUrl, sqlite_file
from vgproject.repositories.event_store import Answer, Batch, NewRecord, NewSession
from vgproject.repositories.sqlite_event_store import MAX_WAL_PAGES, SqliteEventStore
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.events import (
    AgentMessage,
    ApprovalRequested,
    ApprovalResolved,
    ControlChanged,
    TaskCancelled,
    TaskCompleted,
    TaskQueued,
    TaskStarted,
    ToolCompleted,
    Usage,
)
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

SERVER = Actor(kind="server", id="server")


@pytest.fixture
async def database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.upgrade()
    for session_id in ("one", "two"):
        async with database.unit_of_work() as work:
            now = utc_now()
            work.sessions.add(
                SessionRow(
                    id=session_id,
                    project="/p",
                    title="",
                    owner="owner",
                    settings={},
                    epoch=f"epoch-{session_id}",
                    created_at=now,
                    updated_at=now,
                )
            )
            await work.commit()
    yield database
    await database.close()


@pytest.fixture
async def event_log(database: Database) -> AsyncIterator[EventLog]:
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        yield event_log


def message(text: str, key: str | None = None) -> NewEvent:
    return NewEvent(AgentMessage(message_id="m", text=text), SERVER, key=key)


async def test_each_session_counts_its_events_from_one(event_log: EventLog) -> None:
    await event_log.append("one", [message("a"), message("b")])
    await event_log.append("two", [message("c")])

    assert [event.seq for event in await event_log.read("one", after=0)] == [1, 2]
    assert [event.frame().data["text"] for event in await event_log.read("two", after=0)] == ["c"]
    assert await event_log.head("one") == await event_log.head("one")
    assert (await event_log.head("one")).seq == 2


async def test_what_is_read_from_the_end_is_the_end_of_what_is_read_from_the_beginning(event_log: EventLog) -> None:
    for session_id in ("one", "two", "one"):
        await event_log.append(session_id, [message("x" * (40 * number % 97)) for number in range(15)])
    whole = await event_log.read("one", after=0)

    for before in (1, 2, 15, 30, 31, 10**15):
        for limit in (1, 7, 1000):
            for max_bytes in (1, 1000, 1_000_000):
                earlier = [event for event in whole if event.seq < before][-limit:]
                sizes = [
                    sum(len(event.payload) - len(f'"seq":{event.seq},') for event in earlier[start:])
                    for start in range(len(earlier))
                ]
                expected = [event for event, size in zip(earlier, sizes, strict=True) if size <= max_bytes] or earlier[
                    -1:
                ]
                assert await event_log.read_before("one", before=before, limit=limit, max_bytes=max_bytes) == expected


async def test_an_event_with_a_known_key_is_not_stored_again(event_log: EventLog) -> None:
    [first] = await event_log.append("one", [message("a", key="k")])
    [again] = await event_log.append("one", [message("changed", key="k")])

    assert (first.inserted, again.inserted) == (True, False)
    assert again.payload == first.payload
    assert (await event_log.head("one")).seq == 1


async def test_a_session_keeps_what_it_waits_for_and_a_command_its_answer(
    event_log: EventLog, database: Database
) -> None:
    def asked(task_id: str, question: str) -> NewEvent:
        request = ApprovalRequested(approval_id=question, tool_call_id="c", tool="t", arguments={}, reason="r")
        return NewEvent(request, SERVER, task_id=task_id)

    async def waiting() -> list[str]:
        async with database.unit_of_work() as work:
            return list(json.loads((await work.sessions.get("one")).waiting))

    await event_log.append("one", [asked("a", "1"), asked("a", "2"), asked("b", "3")])
    assert await waiting() == ["a/1", "a/2", "b/3"]
    resolved = ApprovalResolved(approval_id="1", tool_call_id="c", decision="deny", resolved_by="owner")
    answer = Answer("scope", '{"decision": "deny"}')
    for _ in range(2):
        event = NewEvent(resolved, SERVER, task_id="a", key="1/resolved", answer=answer)
        await event_log.append("one", [event])
    assert await waiting() == ["a/2", "b/3"]
    await event_log.append("one", [NewEvent(TaskCancelled(), SERVER, task_id="b")])
    assert await waiting() == ["a/2"]
    async with database.unit_of_work() as work:
        assert await work.commands.get("scope") == {"decision": "deny"}


async def test_what_is_for_who_holds_control_is_stored_for_nobody_else_also_in_the_same_commit(
    event_log: EventLog, database: Database
) -> None:
    def control(holder: str | None) -> list[NewEvent]:
        return [NewEvent(ControlChanged(holder=holder), Actor(kind="user", id="ann"))]

    results = await asyncio.gather(
        event_log.append("one", [message("a")], holders=(None, "bob")),
        event_log.append("one", control("ann"), holders=(None,)),
        event_log.append("one", control("bob"), holders=(None,)),
        event_log.append("one", [message("b")], holders=(None, "bob")),
        event_log.append("one", [message("c")], holders=(None, "ann")),
        event_log.append("one", [message("d")]),
        event_log.append("two", [message("e")], holders=(None, "bob")),
        return_exceptions=True,
    )
    assert [getattr(result, "code", "") for result in results] == ["", "", *["control_held"] * 2, "", "", ""]
    async with database.unit_of_work() as work:
        assert (await work.sessions.get("one")).holder == "ann"
    await event_log.append("one", control(None), holders=("ann",))
    with pytest.raises(ConflictError, match="Nobody holds control"):
        await event_log.append("one", control("bob"), holders=("ann",))
    await event_log.append("one", [message("f")], holders=(None, "bob"))


async def test_an_unknown_session_is_an_error_that_disturbs_no_other(event_log: EventLog) -> None:
    with pytest.raises(NotFoundError, match="no session 'three'"):
        await event_log.append("three", [message("a")])
    assert (await event_log.append("one", [message("a")]))[0].seq == 1


async def test_followers_get_every_event_once_while_others_write(event_log: EventLog) -> None:
    await event_log.append("one", [message("0")])

    async def collect() -> list[int]:
        seqs: list[int] = []
        async for events in event_log.follow("one", after=0):
            seqs += [event.seq for event in events]
            if len(seqs) == 101:
                break
        return seqs

    followers = [asyncio.create_task(collect()) for _ in range(3)]
    await asyncio.gather(*(event_log.append("one", [message(str(number))]) for number in range(100)))

    assert await asyncio.gather(*followers) == [list(range(1, 102))] * 3


@pytest.mark.parametrize("ring_bytes", [0, 1024 * 1024])
async def test_a_cursor_gives_no_more_bytes_than_wanted_at_once_and_a_larger_event_alone(
    database: Database, ring_bytes: int
) -> None:
    settings = EventLogSettings(ring_bytes=ring_bytes)
    broker = InProcessBroker()
    async with open_event_log(database.url, broker, now=utc_now, new_id=new_id, settings=settings) as event_log:
        texts = ["é" * size for size in (10, 10, 3000, 10, 900, 900, 10)]
        await event_log.append("one", [message(text) for text in texts])
        cursor = LogCursor(event_log, "one", 0)
        batches = []
        while events := await cursor.next_events(max_bytes=4000):
            batches.append([event.seq for event in events])
            assert len(events) == 1 or sum(len(event.payload) for event in events) <= 4000
    assert batches == [[1, 2], [3], [4, 5], [6, 7]]


async def test_data_above_the_limit_is_cut_to_a_preview_and_kept_as_a_blob(event_log: EventLog) -> None:
    result = ToolCompleted(tool_call_id="c", tool="read_file", result="x" * 100_000, duration_ms=1)
    [stored] = await event_log.append("one", [NewEvent(result, SERVER)])

    blob = stored.frame().data["blob"]
    session_id, content = await event_log.blob(blob["id"])
    assert (session_id, len(content)) == ("one", blob["bytes"])
    assert len(stored.payload) < 10_000


async def test_task_events_keep_the_tasks_status(event_log: EventLog, database: Database) -> None:
    queued = NewEvent(TaskQueued(content="do it"), SERVER, task_id="t")
    started = NewEvent(TaskStarted(phases=["research"]), SERVER, task_id="t")
    await event_log.append("one", [queued, started])
    async with database.unit_of_work() as work:
        assert [(task.status, task.content) for task in await work.sessions.list_open_tasks()] == [("running", "do it")]

    await event_log.append("one", [NewEvent(TaskCompleted(result="done", usage=Usage()), SERVER, task_id="t")])
    async with database.unit_of_work() as work:
        assert await work.sessions.list_open_tasks() == []


BOTH = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
STEPS = st.lists(st.tuples(st.integers(0, 1), st.lists(st.integers(0, 12), min_size=1, max_size=4)), max_size=12)


async def collect(event_log: EventLog, session_id: str, after: int, end: int) -> list[int]:
    seqs: list[int] = []
    if after < end:
        async for events in event_log.follow(session_id, after=after):
            seqs += [event.seq for event in events]
            if seqs[-1] >= end:
                break
    return seqs


@pytest.fixture
def several(database_url: DatabaseUrl) -> int:
    """How many processes may write: SQLite has one server a file."""
    return 1 if database_url.path else 2


@BOTH
@given(steps=STEPS, cursors=st.lists(st.integers(0, 20), min_size=1, max_size=3), ring_bytes=st.sampled_from([0, 900]))
async def test_any_writers_leave_no_hole_and_followers_see_each_event_once(
    database: Database,
    several: int,
    steps: list[tuple[int, list[int]]],
    cursors: list[int],
    ring_bytes: int,
) -> None:
    session_id = await make_session(database)
    options = EventLogSettings(ring_bytes=ring_bytes, rings=1, poll_seconds=0.02)
    async with AsyncExitStack() as stack, asyncio.timeout(100):
        logs = [
            await stack.enter_async_context(
                open_event_log(database.url, InProcessBroker(), settings=options, now=utc_now, new_id=new_id)
            )
            for _ in range(several)
        ]
        end = 1 + len({key for _, keys in steps for key in keys})
        followers = [
            asyncio.create_task(collect(log, session_id, after, end)) for log in logs for after in {0, *cursors}
        ]
        writes = [
            asyncio.create_task(
                logs[writer % several].append(session_id, [message(str(key), key=f"key-{key}") for key in keys])
            )
            for writer, keys in steps
        ]
        stored = await asyncio.gather(*writes)
        await logs[-1].append(session_id, [message("last")])
        seen = await asyncio.gather(*followers)
        log = await logs[0].read(session_id, after=0)

    assert seen == [list(range(after + 1, end + 1)) for _ in logs for after in {0, *cursors}]
    assert [event.seq for event in log] == list(range(1, end + 1))
    inserted = [event.seq for events in stored for event in events if event.inserted]
    assert sorted(inserted) == list(range(1, end))


async def test_the_same_blob_is_kept_once_and_goes_with_its_session(event_log: EventLog, database: Database) -> None:
    first = await event_log.keep_blob("one", b"output")
    assert await event_log.keep_blob("one", b"output") == first
    assert (await event_log.keep_blob("two", b"output"))["id"] != first["id"]
    assert await event_log.blob(first["id"]) == ("one", b"output")
    with pytest.raises(NotFoundError, match="no session 'three'"):
        await event_log.keep_blob("three", b"output")

    await event_log.append("one", [message("a"), NewEvent(TaskQueued(content="\0do it"), SERVER, task_id="t")])
    async with database.unit_of_work() as work:
        await work.commands.put("owner/c1", {}, session_id="one")
        await work.sessions.delete(await work.sessions.get("one"))
        await work.commit()
    event_log.forget("one")
    with pytest.raises(NotFoundError):
        await event_log.blob(first["id"])
    with pytest.raises(NotFoundError):
        await event_log.append("one", [message("b")])
    async with database.unit_of_work() as work:
        assert await work.commands.get("owner/c1") is None
        assert await work.sessions.list_open_tasks() == []
    assert (await event_log.append("two", [message("c")]))[0].seq == 1


async def test_the_log_works_again_when_the_database_does(postgres: Postgres) -> None:
    database = Database(postgres.create_database())
    await database.upgrade()
    session_id = await make_session(database)
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        await event_log.append(session_id, [message("before")])
        postgres.stop()
        try:
            for ask in (event_log.append(session_id, [message("lost")]), event_log.head(session_id), database.check()):
                with pytest.raises(UnavailableError) as caught:
                    await ask
                assert caught.value.code == "database_unavailable"
                assert "secret" not in caught.value.message
        finally:
            postgres.start()
        await database.check()
        assert (await event_log.append(session_id, [message("after")]))[0].seq == 2
    await database.close()


async def test_a_full_disk_stores_nothing_and_says_so(tmp_path: Path) -> None:
    database = Database(sqlite_file(tmp_path / "vgproject.db"))
    await database.upgrade()
    session_id = await make_session(database)
    store = SqliteEventStore(tmp_path / "vgproject.db")
    limit = store._connection  # noqa: SLF001  (SQLite's own limit is a disk that is full; there is no other way to it)
    limit.execute("PRAGMA max_page_count=1")
    record = NewRecord("agent_message", None, "{" + "x" * 100_000, "2026-11-23T04:00:00.000Z", None, "")
    small = NewRecord("agent_message", None, "{}", "2026-11-23T04:00:00.000Z", None, "")
    with pytest.raises(UnavailableError) as caught:
        store.append([Batch(session_id, (small, record))])
    assert caught.value.code == "disk_full"
    assert store.read(session_id, after=0, limit=9) == []
    limit.execute("PRAGMA max_page_count=100000")
    store.append([Batch(session_id, (record,))])
    assert [stored.seq for stored in store.read(session_id, after=0, limit=9)] == [1]
    store.close()
    await database.close()


async def test_a_load_without_a_pause_does_not_let_the_wal_grow(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    database = Database(sqlite_file(path))
    await database.upgrade()
    session = NewSession("/p", "", "owner", "{}", "epoch", "2026-11-23T04:00:00.000Z")
    record = NewRecord("agent_message", None, "{" + "x" * 500_000, "2026-11-23T04:00:00.000Z", None, "")
    store = SqliteEventStore(path, synchronous="NORMAL")

    for _ in range(3 * MAX_WAL_PAGES * 8192 // 500_000):
        store.append([Batch("one", (record,), session)])

    assert path.with_name("log.db-wal").stat().st_size < 1.1 * MAX_WAL_PAGES * 8192
    store.close()
    await database.close()


async def test_a_batch_that_cannot_be_stored_by_a_mistake_keeps_no_other_from_being_stored(database: Database) -> None:
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        broken = replace(message("broken"), key="no text of any encoding: \ud800")
        answers = await asyncio.gather(
            event_log.append("one", [message("first")]),
            event_log.append("one", [broken]),
            event_log.append("two", [message("other")]),
            return_exceptions=True,
        )
        assert isinstance(answers[1], VgprojectError)
        assert answers[1].code == "internal_error"
        [[first], [other]] = [answer for answer in answers if isinstance(answer, list)]
        assert (first.seq, other.seq) == (1, 1)
        assert [stored.seq for stored in await event_log.append("one", [message("next")])] == [2]


async def test_an_observer_that_fails_keeps_nobody_waiting(database: Database) -> None:
    seen: list[str] = []

    def fail(event: StoredEvent) -> None:
        raise RuntimeError("a bug")

    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        event_log.observe(fail)
        event_log.observe(lambda event: seen.append(event.type))
        for seq in (1, 2):
            stored = await event_log.append("one", [message("said")])
            assert [event.seq for event in stored] == [seq]
    assert seen == ["agent_message", "agent_message"]


async def test_a_writer_whose_thread_has_ended_is_noticed(database: Database) -> None:
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        session_id = await make_session(database)
        await event_log.append(session_id, [message("1")])
        assert event_log.is_writing()
        [writer] = [thread for thread in threading.enumerate() if thread.name.startswith("event-writer")]
        assert writer.ident
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(writer.ident), ctypes.py_object(SystemExit))
        lost = asyncio.create_task(event_log.append(session_id, [message("2")]))
        await asyncio.to_thread(writer.join, 10)
        assert not event_log.is_writing()
        [commit] = [task for task in asyncio.all_tasks() if task.get_name() == "event log commit"]
        for task in (commit, lost):
            task.cancel()
        await asyncio.wait({commit, lost})
