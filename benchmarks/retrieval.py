"""How well memory finds what a task needs: by words, by meaning, and by both, over notes on real repositories.

Relevant entries were judged by their content, not by any way to find them. Each project is a memory of its own.
"""

import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.retrieval_data import Entry, Query, load
from vgproject.broker.in_process import InProcessBroker
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import Namespace, of_project
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import Recall
from vgproject.knowledge.vectors import Vectors
from vgproject.llm.embeddings.minilm import MiniLmEmbedder
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryOrigin, Place
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

TOP = 5
RANKED = 50
BENCHMARK = Actor(kind="user", id="benchmark")

Ranking = list[str]
"""The texts of entries, the best first."""


async def measure() -> list[Figure]:
    data = load()
    with tempfile.TemporaryDirectory() as directory:
        database = Database(sqlite_file(Path(directory) / "memory.db"))
        await database.upgrade()
        memory = Memory(database, InProcessBroker(), now=utc_now, new_id=new_id)
        await _fill(memory, data.entries)
        embedder = MiniLmEmbedder()
        vectors = Vectors(database, embedder)
        await vectors.catch_up()
        rankings: dict[str, list[Ranking]] = {"words": [], "meaning": [], "both": []}
        for query in data.queries:
            for way, ranking in (await _rank(memory, vectors, query)).items():
                rankings[way].append(ranking)
        await embedder.close()
        await database.close()
    texts = {entry.id: entry.content for entry in data.entries}
    wanted = [{texts[relevant] for relevant in query.relevant} for query in data.queries]
    hits = {way: _hit_rate(found, wanted) for way, found in rankings.items()}
    ranks = {way: _mean_reciprocal_rank(found, wanted) for way, found in rankings.items()}
    best = {"words": 0.0, "meaning": 0.0, "both": max(hits["words"], hits["meaning"])}
    first = {"words": 0.0, "meaning": 0.0, "both": max(ranks["words"], ranks["meaning"])}
    return [
        *(Figure(f"hit@{TOP}, by {way}", hits[way], "share", best[way], at_least=True) for way in rankings),
        *(Figure(f"MRR, by {way}", ranks[way], "", first[way], at_least=True) for way in rankings),
    ]


async def _fill(memory: Memory, entries: Sequence[Entry]) -> None:
    for project, group in groupby(sorted(entries, key=lambda entry: entry.project), key=lambda entry: entry.project):
        notes = [
            Note(
                kind=entry.kind,
                content=entry.content,
                tags=tuple(entry.tags),
                place=Place(path=entry.path) if entry.path else None,
            )
            for entry in group
        ]
        origin = MemoryOrigin(actor="benchmark")
        await memory.merge({of_project(project): notes}, origin, actor=BENCHMARK, scope=project)


async def _rank(memory: Memory, vectors: Vectors, query: Query) -> dict[str, Ranking]:
    spaces: list[Namespace] = [of_project(query.project)]
    near = await vectors.search(spaces, query.query, RANKED)
    known = await memory.get_all(spaces, [memory_id for memory_id, _ in near])
    by_words = await memory.search(spaces, query.query, limit=RANKED)
    both = await Recall(memory, vectors).search(spaces, query.query, limit=RANKED)
    return {
        "words": [entry.content for entry in by_words],
        "meaning": [known[memory_id].content for memory_id, _ in near if memory_id in known],
        "both": [entry.content for entry in both],
    }


def _hit_rate(rankings: Sequence[Ranking], wanted: Sequence[set[str]]) -> float:
    """The share of queries with a relevant entry among the first `TOP`."""
    return sum(bool(set(found[:TOP]) & relevant) for found, relevant in zip(rankings, wanted, strict=True)) / len(
        wanted
    )


def _mean_reciprocal_rank(rankings: Sequence[Ranking], wanted: Sequence[set[str]]) -> float:
    """The mean of one over the place of the first relevant entry; nothing where there is none."""
    return sum(
        next((1 / place for place, text in enumerate(found, 1) if text in relevant), 0.0)
        for found, relevant in zip(rankings, wanted, strict=True)
    ) / len(wanted)
