import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vgproject.broker.in_process import InProcessBroker
from vgproject.errors import NotFoundError
from vgproject.event_log import EventLog, NewEvent, open_event_log
from vgproject.models.tables import SessionRow
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.events import AgentMessage, TaskCompleted, TaskQueued, TaskStarted, ToolCompleted, Usage
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

SERVER = Actor(kind="server", id="server")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "vgproject.db")
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
    async with open_event_log(database.path, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
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


async def test_an_event_with_a_known_key_is_not_stored_again(event_log: EventLog) -> None:
    [first] = await event_log.append("one", [message("a", key="k")])
    [again] = await event_log.append("one", [message("changed", key="k")])

    assert (first.inserted, again.inserted) == (True, False)
    assert again.payload == first.payload
    assert (await event_log.head("one")).seq == 1


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
