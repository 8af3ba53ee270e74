"""The persistent memory on both kinds of database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from vgproject.broker.in_process import InProcessBroker
from vgproject.errors import ConflictError, NotFoundError
from vgproject.knowledge.memory import Edit, Head, Memory
from vgproject.knowledge.memory_settings import MemorySettings
from vgproject.knowledge.namespaces import of_project, of_user
from vgproject.knowledge.notes import Note
from vgproject.memory import MemorySaver
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryOrigin, Place
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

PROJECT = of_project("/p")
ORIGIN = MemoryOrigin(session_id="ses", actor="research")
AGENT = Actor(kind="agent", id="research")
ANN = Actor(kind="user", id="ann")


def fact(content: str) -> Note:
    return Note(content=content)


NOTES = [fact("Water is wet."), fact("Fire is hot."), fact("Water is wet.")]


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


@pytest.fixture
def memory(database: Database) -> Memory:
    return memory_of(database)


def memory_of(database: Database, settings: MemorySettings | None = None) -> Memory:
    return Memory(database, InProcessBroker(), now=utc_now, new_id=new_id, settings=settings)


async def contents(memory: Memory) -> list[str]:
    return [entry.content for entry in await memory.list_entries(PROJECT)]


async def test_notes_are_merged_whole_and_once_and_the_same_answer_comes_back(
    memory: Memory, database_url: DatabaseUrl
) -> None:
    known, _ = await memory.add(PROJECT, fact("Fire is hot."), ORIGIN, actor=AGENT)
    first = await memory.merge({PROJECT: NOTES}, ORIGIN, actor=AGENT, scope="once")
    again = await memory.merge({PROJECT: NOTES}, ORIGIN, actor=AGENT, scope="once")

    assert again == first
    assert (len(first.added), first.merged) == (1, [known.memory_id])
    assert await contents(memory) == ["Fire is hot.", "Water is wet."]

    cut = CutDatabase(database_url)
    with pytest.raises(KeyboardInterrupt):
        await memory_of(cut).merge({PROJECT: [fact("Use water.")]}, ORIGIN, actor=AGENT, scope="cut")
    await cut.close()
    assert len(await contents(memory)) == 2


async def test_what_was_forgotten_since_is_not_added_again_by_a_repeated_merge(memory: Memory) -> None:
    first = await memory.merge({PROJECT: NOTES}, ORIGIN, actor=AGENT, scope="once")
    await memory.forget(first.added[0], actor=ANN)
    assert await memory.merge({PROJECT: NOTES}, ORIGIN, actor=AGENT, scope="once") == first
    assert await contents(memory) == ["Fire is hot."]


async def test_tasks_that_merge_the_same_notes_at_once_add_each_once_and_keep_every_origin(
    database: Database, database_url: DatabaseUrl
) -> None:
    other = Database(database_url)
    savers = [
        MemorySaver(memory_of(place), project="/p", user="ann", session_id=f"ses {number}", task_id=f"tsk {number}")
        for number, place in enumerate([database, other] * 4)
    ]
    for saver in savers:
        for note in NOTES:
            saver.take(note)
    merges = await asyncio.gather(
        *(saver.merge("research", scope=f"task {number}") for number, saver in enumerate(savers))
    )
    await other.close()
    entries = await memory_of(database).list_entries(PROJECT)
    assert sorted(entry.content for entry in entries) == ["Fire is hot.", "Water is wet."]
    assert sorted(added for merge in merges for added in merge.added) == sorted(e.memory_id for e in entries)
    for entry in entries:
        assert {origin.session_id for origin in entry.origins} == {f"ses {number}" for number in range(8)}


async def test_every_change_is_numbered_and_every_version_can_come_back(memory: Memory) -> None:
    entry, is_new = await memory.add(PROJECT, fact("The port is 80."), ORIGIN, actor=AGENT)
    edited = await memory.update(entry.memory_id, Edit(content="The port is 8080."), actor=ANN, version=1)
    with pytest.raises(ConflictError) as stale:
        await memory.update(entry.memory_id, Edit(content="The port is 1."), actor=ANN, version=1)
    forgotten = await memory.forget(entry.memory_id, actor=ANN)
    with pytest.raises(NotFoundError):
        await memory.forget(entry.memory_id, actor=ANN)
    assert await contents(memory) == []
    restored = await memory.restore(entry.memory_id, actor=ANN, to_version=1)

    assert is_new
    assert stale.value.details["current"] == edited.model_dump(mode="json")
    assert (forgotten.status, restored.status, restored.content) == ("forgotten", "active", "The port is 80.")
    told = [
        (change.memory_seq, change.change, change.actor.id, change.entry.version)
        for change in await memory.history(entry.memory_id)
    ]
    assert told == [
        (1, "added", "research", 1),
        (2, "updated", "ann", 2),
        (3, "forgotten", "ann", 3),
        (4, "restored", "ann", 4),
    ]
    assert await memory.changes_after(PROJECT, 2) == (await memory.history(entry.memory_id))[2:]
    assert (await memory.head(PROJECT)).memory_seq == 4


async def test_near_duplicates_become_one_entry_that_says_the_more(memory: Memory) -> None:
    first, _ = await memory.add(
        PROJECT, fact("The tests are run with pytest in the tests directory"), ORIGIN, actor=AGENT
    )
    merged = await memory.merge(
        {PROJECT: [fact("Tests run with `pytest` in the directory `tests`.")]},
        ORIGIN.model_copy(update={"session_id": "other"}),
        actor=AGENT,
        scope="near",
    )
    assert (merged.added, merged.merged) == ([], [first.memory_id])
    (entry,) = await memory.list_entries(PROJECT)
    assert [origin.session_id for origin in entry.origins] == ["ses", "other"]
    assert entry.version == 2


async def test_a_contradiction_becomes_a_conflict_that_is_settled_once(memory: Memory) -> None:
    first, _ = await memory.add(PROJECT, fact("The server listens on port 80."), ORIGIN, actor=AGENT)
    merged = await memory.merge({PROJECT: [fact("The server listens on port 8080.")]}, ORIGIN, actor=AGENT, scope="c")
    (new_id_,) = merged.added
    assert merged.conflicting == [new_id_]
    (conflict,) = await memory.conflicts(PROJECT)
    assert (conflict.first.memory_id, conflict.second.memory_id) == (first.memory_id, new_id_)
    assert (await memory.get(first.memory_id)).conflicts_with == [new_id_]

    settled = await memory.settle(conflict.conflict_id, "keep_second", actor=ANN)
    with pytest.raises(ConflictError, match="settled already"):
        await memory.settle(conflict.conflict_id, "keep_first", actor=ANN)
    assert (settled.status, settled.settled_by) == ("settled", ANN)
    assert (await memory.get(first.memory_id)).status == "superseded"
    (left,) = await memory.list_entries(PROJECT)
    assert (left.memory_id, left.conflicts_with) == (new_id_, [])
    assert await memory.conflicts(PROJECT) == []


async def test_forgetting_one_side_ends_the_conflict(memory: Memory) -> None:
    first, _ = await memory.add(PROJECT, fact("The server listens on port 80."), ORIGIN, actor=AGENT)
    second, _ = await memory.add(PROJECT, fact("The server does not listen on port 80."), ORIGIN, actor=AGENT)
    await memory.forget(second.memory_id, actor=ANN)
    (conflict,) = await memory.conflicts(PROJECT, settled=True)
    assert (conflict.status, conflict.settlement) == ("settled", "keep_first")
    assert (await memory.get(first.memory_id)).conflicts_with == []


async def test_lines_that_are_noted_anew_take_the_place_of_the_old_ones(memory: Memory) -> None:
    place = Place(path="a.py", start_line=1, end_line=9)
    old, _ = await memory.add(PROJECT, Note(kind="key_snippet", content="a = 1", place=place), ORIGIN, actor=AGENT)
    merged = await memory.merge(
        {PROJECT: [Note(kind="key_snippet", content="a = 2", place=Place(path="a.py", start_line=3))]},
        ORIGIN,
        actor=AGENT,
        scope="s",
    )
    assert merged.superseded == [old.memory_id]
    (entry,) = await memory.list_entries(PROJECT)
    assert (entry.content, entry.replaces) == ("a = 2", [old.memory_id])


async def test_memories_do_not_mix_and_a_full_one_says_so(database: Database) -> None:
    memory = memory_of(database, MemorySettings(max_entries=1))
    await memory.add(PROJECT, fact("Fire is hot."), ORIGIN, actor=AGENT)
    await memory.add(of_user("ann"), fact("Fire is hot."), ORIGIN, actor=ANN)
    with pytest.raises(ConflictError, match="limit"):
        await memory.add(PROJECT, fact("Bees fly."), ORIGIN, actor=AGENT)
    merged = await memory.merge({PROJECT: [fact("Ants walk.")]}, ORIGIN, actor=AGENT, scope="full")
    assert merged.refused == 1
    assert [entry.user for entry in await memory.search([of_user("ann")], "fire")] == ["ann"]


async def test_search_knows_parts_of_identifiers_and_endings(memory: Memory) -> None:
    for content in ("parseHttpDate reads dates", "Routes live in app/url_map.py", "Migrations are made by alembic"):
        await memory.add(PROJECT, fact(content), ORIGIN, actor=AGENT)

    async def found(query: str) -> list[str]:
        return [entry.content for entry in await memory.search([PROJECT], query)]

    assert await found("http date") == ["parseHttpDate reads dates"]
    assert await found("which routing map?") == ["Routes live in app/url_map.py"]
    assert await found("migrate with Alembic's migration") == ["Migrations are made by alembic"]
    assert await found("' OR \" * NEAR( % the") == []


async def test_who_follows_is_woken_by_each_change(memory: Memory) -> None:
    heads: list[int] = []
    stop = memory.on_change(PROJECT, heads.append)
    entry, _ = await memory.add(PROJECT, fact("Fire is hot."), ORIGIN, actor=AGENT)
    await memory.add(of_user("ann"), fact("Fire is hot."), ORIGIN, actor=ANN)
    await memory.forget(entry.memory_id, actor=ANN)
    stop()
    await memory.restore(entry.memory_id, actor=ANN)
    assert heads == [1, 2]


async def test_the_state_is_that_of_the_moment_asked_for_and_comes_in_pages(memory: Memory) -> None:
    fire, _ = await memory.add(PROJECT, fact("Fire is hot."), ORIGIN, actor=AGENT)
    water, _ = await memory.add(PROJECT, fact("Water is wet."), ORIGIN, actor=AGENT)
    await memory.update(fire.memory_id, Edit(content="Fire burns."), actor=ANN, version=1)
    await memory.forget(water.memory_id, actor=ANN)
    await memory.add(of_user("ann"), fact("Bees fly."), ORIGIN, actor=ANN)
    await memory.restore(water.memory_id, actor=ANN)

    async def state(seq: int, after: int = 0, limit: int = 9) -> list[tuple[int, str]]:
        changes = await memory.state(PROJECT, seq, after=after, limit=limit)
        return [(change.memory_seq, change.entry.content) for change in changes]

    assert await state(2) == [(1, "Fire is hot."), (2, "Water is wet.")]
    assert await state(2, limit=1) == [(1, "Fire is hot.")]
    assert await state(2, after=1) == [(2, "Water is wet.")]
    assert await state(3) == [(2, "Water is wet."), (3, "Fire burns.")]
    assert await state(4) == [(3, "Fire burns.")]
    assert await state(5) == [(3, "Fire burns."), (5, "Water is wet.")]


async def test_a_page_goes_on_after_an_entry_of_the_same_memory(memory: Memory) -> None:
    ids = [(await memory.add(PROJECT, note, ORIGIN, actor=AGENT))[0].memory_id for note in NOTES[:2]]
    other, _ = await memory.add(of_user("ann"), fact("Bees fly."), ORIGIN, actor=ANN)
    assert [entry.memory_id for entry in await memory.list_entries(PROJECT, limit=1)] == ids[:1]
    assert [entry.memory_id for entry in await memory.list_entries(PROJECT, after=ids[0])] == ids[1:]
    with pytest.raises(NotFoundError):
        await memory.list_entries(PROJECT, after=other.memory_id)


async def test_a_memory_has_its_epoch_from_when_it_is_first_followed(memory: Memory) -> None:
    begun = await memory.begin(PROJECT)
    await memory.add(PROJECT, fact("Fire is hot."), ORIGIN, actor=AGENT)
    assert (begun.epoch[:4], begun.memory_seq) == ("epo_", 0)
    assert [await memory.head(PROJECT), await memory.begin(PROJECT)] == [Head(begun.epoch, 1)] * 2


async def test_what_is_so_already_is_not_restored_and_what_is_gone_not_edited(memory: Memory) -> None:
    entry, _ = await memory.add(PROJECT, fact("Fire is hot."), ORIGIN, actor=AGENT)
    assert await memory.restore(entry.memory_id, actor=ANN) == entry
    assert await memory.restore(entry.memory_id, actor=ANN, to_version=1) == entry
    await memory.forget(entry.memory_id, actor=ANN)
    with pytest.raises(NotFoundError, match="restore it first"):
        await memory.update(entry.memory_id, Edit(content="Fire burns."), actor=ANN, version=2)


async def test_twins_that_settle_at_once_get_one_answer_and_others_are_refused(memory: Memory) -> None:
    for port in (80, 8080):
        await memory.add(PROJECT, fact(f"The server listens on port {port}."), ORIGIN, actor=AGENT)
    [conflict] = await memory.conflicts(PROJECT)
    answers = await asyncio.gather(
        *(memory.settle(conflict.conflict_id, "keep_first", actor=ANN, scope="one") for _ in range(3)),
        return_exceptions=True,
    )
    assert answers == [await memory.conflict(conflict.conflict_id)] * 3
    head = (await memory.head(PROJECT)).memory_seq
    with pytest.raises(ConflictError, match="settled already"):
        await memory.settle(conflict.conflict_id, "keep_second", actor=ANN, scope="another")
    assert (await memory.head(PROJECT)).memory_seq == head
