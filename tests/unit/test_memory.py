"""The project's memory on both kinds of database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from vgproject.memory import Memory, MemorySaver, Note
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema.memory import MemoryOrigin
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

ORIGIN = MemoryOrigin(session_id="ses", actor="research")
NOTES = [Note("key_fact", "Water is wet."), Note("key_fact", "Fire is hot."), Note("key_fact", "Water is wet.")]


class CutDatabase(Database):
    """The process ends before the first commit."""

    def unit_of_work(self) -> UnitOfWork:
        return CutUnit(self._sessions())


class CutUnit(UnitOfWork):
    async def commit(self) -> None:
        raise KeyboardInterrupt


@pytest.fixture
async def database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.upgrade()
    yield database
    await database.close()


def memory_of(database: Database) -> Memory:
    return Memory(database, now=utc_now, new_id=new_id)


async def test_notes_are_merged_whole_and_once_and_the_same_answer_comes_back(
    database: Database, database_url: DatabaseUrl
) -> None:
    memory = memory_of(database)
    known, _ = await memory.add("/p", Note("key_fact", "Fire is hot."), ORIGIN)
    first = await memory.merge("/p", NOTES, ORIGIN, scope="once")
    again = await memory.merge("/p", NOTES, ORIGIN, scope="once")

    assert again == first
    assert (len(first.added), first.merged) == (1, [known.memory_id])
    assert [entry.content for entry in await memory.list_entries("/p")] == ["Fire is hot.", "Water is wet."]

    cut = CutDatabase(database_url)
    with pytest.raises(KeyboardInterrupt):
        await memory_of(cut).merge("/p", [Note("decision", "Use water.")], ORIGIN, scope="cut")
    await cut.close()
    assert len(await memory.list_entries("/p")) == 2


async def test_what_was_forgotten_since_is_not_added_again_by_a_repeated_merge(database: Database) -> None:
    memory = memory_of(database)
    first = await memory.merge("/p", NOTES, ORIGIN, scope="once")
    await memory.forget(first.added[0])
    assert await memory.merge("/p", NOTES, ORIGIN, scope="once") == first
    assert [entry.content for entry in await memory.list_entries("/p")] == ["Fire is hot."]


async def test_tasks_that_merge_the_same_notes_at_once_add_each_once(
    database: Database, database_url: DatabaseUrl
) -> None:
    other = Database(database_url)
    savers = [
        MemorySaver(memory_of(place), project="/p", session_id=f"ses {number}", task_id=f"tsk {number}")
        for number, place in enumerate([database, other] * 4)
    ]
    for saver in savers:
        for note in NOTES:
            saver.note(note.kind, note.content)
    merges = await asyncio.gather(
        *(saver.merge("research", scope=f"task {number}") for number, saver in enumerate(savers))
    )
    await other.close()
    entries = await memory_of(database).list_entries("/p")
    assert sorted(entry.content for entry in entries) == ["Fire is hot.", "Water is wet."]
    assert sorted(added for merge in merges for added in merge.added) == sorted(e.memory_id for e in entries)
