"""What a memory of 100,000 entries takes: recalling for a task, and merging the notes of a phase."""

import random
import statistics
import tempfile
import time
from collections.abc import Awaitable
from itertools import accumulate
from pathlib import Path

import sqlalchemy as sa

from benchmarks.figures import Figure, percentile
from vgproject.broker.in_process import InProcessBroker
from vgproject.knowledge.ledger import row_of
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import of_project
from vgproject.knowledge.notes import Note
from vgproject.models.tables import MemoryRow
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryEntry, MemoryOrigin
from vgproject.utils.clock import to_wire, utc_now
from vgproject.utils.ids import new_id

ENTRIES = 100_000
VOCABULARY = 20_000
QUERIES = 200
MERGES = 7
NOTES = 50
PROJECT = of_project("/project")
AGENT = Actor(kind="agent", id="research")


async def measure() -> list[Figure]:
    """Elapsed time: recalls at p95, merges at the median."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database(sqlite_file(Path(directory) / "memory.db"))
        await database.upgrade()
        chance = random.Random(7)
        words = Words(chance)
        await _fill(database, words)
        memory = Memory(database, InProcessBroker(), now=utc_now, new_id=new_id)
        recalls = [await _milliseconds(memory.search([PROJECT], words.text(12), limit=20)) for _ in range(QUERIES)]
        merges = [await _milliseconds(_merge(memory, words, number)) for number in range(MERGES)]
        await database.close()
    return [
        Figure(f"recall from {ENTRIES:,} entries, p95", percentile(recalls, 0.95), "ms", 50),
        Figure(f"merge of {NOTES} notes into {ENTRIES:,} entries", statistics.median(merges), "ms", 200),
    ]


class Words:
    """Texts whose words are as frequent as those of a language: the n-th one with 1/n."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = ["".join(chance.choices(letters, k=chance.randint(4, 10))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (rank + 5) for rank in range(VOCABULARY)))

    def text(self, length: int) -> str:
        return " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=length))


async def _fill(database: Database, words: Words) -> None:
    now = to_wire(utc_now())
    origin = MemoryOrigin(actor="research")
    names = [column.key for column in sa.inspect(MemoryRow).columns if column.key != "number"]
    for _ in range(0, ENTRIES, 10_000):
        rows = [
            row_of(
                MemoryEntry(
                    memory_id=new_id("mem"),
                    project="/project",
                    kind="key_fact",
                    content=words.text(25),
                    version=1,
                    origin=origin,
                    created_at=now,
                    updated_at=now,
                ),
                PROJECT,
            )
            for _ in range(10_000)
        ]
        async with database.unit_of_work() as work:
            await work.memory.lock(PROJECT.name, epoch="epoch")
            await work.memory.add_many([{name: getattr(row, name) for name in names} for row in rows])
            await work.commit()


async def _merge(memory: Memory, words: Words, number: int) -> None:
    notes = [Note(content=words.text(25)) for _ in range(NOTES)]
    await memory.merge({PROJECT: notes}, MemoryOrigin(actor="research"), actor=AGENT, scope=f"merge {number}")


async def _milliseconds(action: Awaitable[object]) -> float:
    began = time.perf_counter()
    await action
    return (time.perf_counter() - began) * 1000
