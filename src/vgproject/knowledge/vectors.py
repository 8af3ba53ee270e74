"""What entries mean: a vector of each, kept in the database, and searched in memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Protocol

from vgproject.errors import ModelError, StorageError
from vgproject.knowledge.embedder import Embedder
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import Namespace
from vgproject.models.tables import MemoryRow, MemoryVectorRow
from vgproject.repositories.unit_of_work import Database

AT_ONCE = 64
"""Texts that are embedded and stored together."""

MAX_CHARACTERS = 2_000
"""Of an entry that are embedded: models look only at the beginning."""

AGAIN_SECONDS = 30.0
"""After the model or the database failed. Also how often entries of other processes are looked for."""

logger = logging.getLogger(__name__)


class Index(Protocol):
    """See `vector_index`, which is imported with the first vector: what it is made with takes a while, and memory."""

    def add(self, memory_id: str, vector: bytes) -> None: ...

    def nearest(self, vector: bytes, limit: int) -> list[tuple[str, float]]: ...


@dataclass
class Loaded:
    """The vectors of one memory up to a number; ``index`` is there with the first."""

    last_number: int = 0
    index: Index | None = None


class Vectors:
    """The embeddings of all memories. Entries that have none yet are not found; `run_vectors` makes them."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder
        self._loaded: dict[str, Loaded] = {}
        self._reading = asyncio.Lock()

    async def search(self, namespaces: Sequence[Namespace], query: str, limit: int) -> list[tuple[str, float]]:
        """Ids of entries with their similarity, the most similar first. Forgotten ones may be among them.

        Raises `ModelError`.
        """
        indexes = [index for space in namespaces if (index := await self._index(space.name))]
        if not indexes:
            return []
        (asked,) = await self._embedder.embed([query[:MAX_CHARACTERS]])
        found: list[tuple[str, float]] = []
        for index in indexes:
            found += await asyncio.to_thread(index.nearest, asked, limit)
        return sorted(found, key=lambda one: -one[1])[:limit]

    async def catch_up(self) -> None:
        """Embed every entry that has no vector of this model, or one of another text. Raises `ModelError`."""
        while rows := await self._missing():
            vectors = await self._embedder.embed([_text(row) for row in rows])
            for name in dict.fromkeys(row.namespace for row in rows):
                await self._store(
                    name,
                    [(row, vector) for row, vector in zip(rows, vectors, strict=True) if row.namespace == name],
                )

    async def _missing(self) -> Sequence[MemoryRow]:
        async with self._database.unit_of_work() as work:
            return await work.memory.without_vector(self._embedder.name, limit=AT_ONCE)

    async def _store(self, namespace: str, embedded: Sequence[tuple[MemoryRow, bytes]]) -> None:
        rows = [
            MemoryVectorRow(
                memory_id=row.id, namespace=namespace, model=self._embedder.name, digest=row.digest, vector=vector
            )
            for row, vector in embedded
        ]
        async with self._database.unit_of_work() as work:
            # So that their numbers come in the order of the commits: who has read up to one has read all before it.
            await work.memory.lock(namespace, epoch="")
            await work.memory.put_vectors(rows)
            await work.commit()

    async def _index(self, namespace: str) -> Index | None:
        async with self._reading:
            loaded = self._loaded.setdefault(namespace, Loaded())
            async with self._database.unit_of_work() as work:
                new = await work.memory.vectors_after(namespace, self._embedder.name, loaded.last_number)
            if new and loaded.index is None:
                make_index = await asyncio.to_thread(resolve_name, "vgproject.knowledge.vector_index:VectorIndex")
                loaded.index = make_index()
            for number, memory_id, vector in new:
                assert loaded.index is not None
                loaded.index.add(memory_id, vector)
                loaded.last_number = number
            return loaded.index


@asynccontextmanager
async def run_vectors(database: Database, embedder: Embedder, memory: Memory) -> AsyncIterator[Vectors]:
    """Keeps the vectors up to date with what this process changes, and looks now and then for what others did."""
    vectors, changed = Vectors(database, embedder), asyncio.Event()
    stop_listening = memory.on_any_change(changed.set)
    task = asyncio.create_task(_keep(vectors, changed), name="memory vectors")
    try:
        yield vectors
    finally:
        stop_listening()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await embedder.close()


async def _keep(vectors: Vectors, changed: asyncio.Event) -> None:
    while True:
        changed.clear()
        try:
            await vectors.catch_up()
        except (ModelError, StorageError):
            logger.warning("The memory's new entries have no vectors yet", exc_info=True)
            await asyncio.sleep(AGAIN_SECONDS)
            continue
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_SECONDS):
                await changed.wait()


def _text(row: MemoryRow) -> str:
    return "\n".join(filter(None, (row.content[:MAX_CHARACTERS], row.path)))
