"""What entries mean: kept up to date with every change, and found."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence

import pytest

from vgproject.broker.in_process import InProcessBroker
from vgproject.errors import ModelError
from vgproject.knowledge.memory import Edit, Memory
from vgproject.knowledge.namespaces import of_project, of_user
from vgproject.knowledge.notes import Note
from vgproject.knowledge.vectors import Vectors, run_vectors
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryOrigin
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

PROJECT = of_project("/p")
ANN = Actor(kind="user", id="ann")
ORIGIN = MemoryOrigin(actor="ann")
MEANINGS = ("sea", "fire")


class WordEmbedder:
    """Texts mean how often they name the sea and fire."""

    def __init__(self, name: str = "words") -> None:
        self.name = name
        self.texts: list[str] = []
        self.embedded = asyncio.Event()

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.texts += texts
        self.embedded.set()
        return [self._vector(text.lower()) for text in texts]

    def _vector(self, text: str) -> bytes:
        counts = [text.count(word) + 0.01 for word in MEANINGS]
        length = sum(count * count for count in counts) ** 0.5
        return struct.pack("<2f", *(count / length for count in counts))

    async def close(self) -> None:
        """Holds nothing."""


@pytest.fixture
async def database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.upgrade()
    yield database
    await database.close()


@pytest.fixture
def memory(database: Database) -> Memory:
    return Memory(database, InProcessBroker(), now=utc_now, new_id=new_id)


async def add(memory: Memory, content: str) -> str:
    entry, _ = await memory.add(PROJECT, Note(content=content), ORIGIN, actor=ANN)
    return entry.memory_id


async def found(vectors: Vectors, query: str) -> list[str]:
    return [memory_id for memory_id, _ in await vectors.search([PROJECT], query, 2)]


async def test_an_entry_is_found_by_what_it_means_now_and_each_text_is_embedded_once(
    database: Database, memory: Memory
) -> None:
    embedder = WordEmbedder()
    vectors = Vectors(database, embedder)
    sea, fire = await add(memory, "The sea"), await add(memory, "A fire")
    await memory.add(of_user("ann"), Note(content="fire fire"), ORIGIN, actor=ANN)
    await vectors.catch_up()
    assert await found(vectors, "sea") == [sea, fire]

    await memory.update(sea, Edit(content="The fire, fire and sea"), actor=ANN, version=1)
    await memory.update(fire, Edit(content="At sea"), actor=ANN, version=1)
    await vectors.catch_up()
    assert await found(vectors, "sea") == [fire, sea]
    await vectors.catch_up()
    assert len(embedder.texts) == 5 + 2, "five texts of entries and two questions"

    again = Vectors(database, WordEmbedder())
    assert await found(again, "sea") == [fire, sea], "another process reads what is stored"
    other = Vectors(database, WordEmbedder("other"))
    assert await found(other, "sea") == [], "vectors of another model say nothing"


async def test_changes_are_embedded_as_they_come_and_a_failing_model_stops_nothing(
    database: Database, memory: Memory
) -> None:
    class Failing(WordEmbedder):
        async def embed(self, texts: Sequence[str]) -> list[bytes]:
            await super().embed(texts)
            raise ModelError("The embeddings' server does not answer.")

    await add(memory, "The sea")
    embedder = WordEmbedder()
    async with run_vectors(database, embedder, memory) as vectors:
        await embedder.embedded.wait()
        embedder.embedded.clear()
        fire = await add(memory, "A fire")
        await embedder.embedded.wait()
        await vectors.catch_up()
        assert (await found(vectors, "fire"))[0] == fire

    failing = Failing("failing")
    async with run_vectors(database, failing, memory):
        await failing.embedded.wait()
        await add(memory, "Still taken")
