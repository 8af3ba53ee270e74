"""Clean-up of a memory: what it proposes, what it may do on its own, and undoing it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vgproject.broker.in_process import InProcessBroker
from vgproject.errors import NotFoundError
from vgproject.knowledge.care import Caretaker, run_caretaker
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.memory_settings import CareSettings
from vgproject.knowledge.namespaces import Namespace, of_project
from vgproject.knowledge.notes import Note
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryOrigin, Place
from vgproject.utils.ids import new_id

ANN = Actor(kind="user", id="ann")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = BEGIN + timedelta(days=200)
NOTES = [
    Note(content="The cache is in Redis.", confidence="certain"),
    Note(content="Somebody said the parser is slow.", confidence="unsure"),
    Note(kind="related_file", content="src/gone.py", confidence="certain"),
    Note(kind="key_snippet", content="a = 1", place=Place(path="src/here.py"), confidence="certain"),
    Note(content="Dates are stored in UTC."),
]


class World:
    def __init__(self, database: Database, project: Path) -> None:
        self.now = BEGIN
        self.memory = Memory(database, InProcessBroker(), now=lambda: self.now, new_id=new_id)
        self.namespace: Namespace = of_project(str(project))

    def caretaker(self, **settings: object) -> Caretaker:
        return Caretaker(self.memory, CareSettings.model_validate(settings), new_id=new_id)

    async def known(self) -> list[str]:
        return [entry.content for entry in await self.memory.list_entries(self.namespace)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = Database(sqlite_file(tmp_path / "vgproject.db"))
    await database.upgrade()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "here.py").write_text("a = 1\n")
    world = World(database, tmp_path)
    origin = MemoryOrigin(actor="research")
    await world.memory.merge({world.namespace: NOTES}, origin, actor=Actor(kind="agent", id="research"), scope="m")
    yield world
    await database.close()


async def test_it_proposes_what_is_stale_unused_or_too_much_and_touches_nothing(world: World) -> None:
    used = (await world.memory.search([world.namespace], "dates"))[0]
    world.now = LATER
    await world.memory.note_recall([used.memory_id], scope="recall")
    proposals = await world.caretaker(keep_entries=2).propose(world.namespace, now=LATER)
    assert [(proposal.reason, proposal.entry.content) for proposal in proposals] == [
        ("unused", "Somebody said the parser is slow."),
        ("stale", "src/gone.py"),
        ("excess", "Dates are stored in UTC."),
    ]
    assert len(await world.known()) == len(NOTES)


async def test_on_its_own_it_forgets_only_what_is_allowed_and_all_of_it_can_be_undone(world: World) -> None:
    assert (await world.caretaker().clean_up(world.namespace, now=LATER)).forgotten == []

    caretaker = world.caretaker(forget=["stale"])
    done = await caretaker.clean_up(world.namespace, now=LATER)
    assert len(done.forgotten) == 1
    assert "src/gone.py" not in await world.known()
    told = (await world.memory.history(done.forgotten[0]))[-1]
    assert (told.change, told.actor.id) == ("forgotten", "clean-up")
    assert done.clean_up_id in (told.reason or "")

    assert await caretaker.undo(world.namespace, done.clean_up_id, actor=ANN) == done.forgotten
    assert await caretaker.undo(world.namespace, done.clean_up_id, actor=ANN) == []
    assert "src/gone.py" in await world.known()
    with pytest.raises(NotFoundError):
        await caretaker.undo(world.namespace, "cln_other", actor=ANN)


async def test_a_project_that_is_not_there_makes_nothing_stale(world: World, tmp_path: Path) -> None:
    nowhere = of_project(str(tmp_path / "nowhere"))
    await world.memory.add(nowhere, NOTES[2], MemoryOrigin(actor="ann"), actor=ANN)
    assert await world.caretaker().propose(nowhere, now=BEGIN) == []


async def test_a_server_cleans_up_on_its_own_where_it_may(world: World) -> None:
    gone = asyncio.Event()
    stop = world.memory.on_change(world.namespace, lambda seq: gone.set())
    settings = CareSettings(forget=("stale",))
    caretaker = Caretaker(world.memory, settings, new_id=new_id)
    async with run_caretaker(caretaker, world.memory, settings, lambda: BEGIN):
        await gone.wait()
    stop()
    assert "src/gone.py" not in await world.known()
