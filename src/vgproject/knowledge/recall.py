"""Which entries a model is given: found by words, by meaning and by files, put in one order, and cut to a budget."""

import asyncio
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from vgproject.errors import ModelError
from vgproject.knowledge.freshness import FileReader, with_freshness
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import Namespace
from vgproject.knowledge.quoting import as_recalled
from vgproject.schema.events import RecalledEntry
from vgproject.schema.memory import Confidence, MemoryEntry, MemoryKind
from vgproject.telemetry.spans import NO_SPANS, Spans
from vgproject.utils.text import shorten
from vgproject.utils.words import asked_words, split_words, stem

CHARACTERS_PER_TOKEN = 4
HEADER_CHARACTERS = 160
"""About what an entry's origin and marks take."""
LEAST_CHARACTERS = 240
"""An entry is not shortened below these to make room for one that is less like the task."""
CANDIDATES = 40
LIMIT = 20

SMOOTHING = 60
"""Of reciprocal rank fusion, where there is no similarity: how little the first place counts more than the next."""
OF_WORDS = 0.1
"""What the words of a question count beside its meaning, if an entry has all of them: a similarity is at most 1.
A convex combination of scores finds more than a fusion of ranks (Bruch, Gai, Ingber: An Analysis of Fusion Functions for
Hybrid Retrieval, 2023), also here: `scripts/bench retrieval`."""
ABOUT_FILE = 1.5
CONFIDENCES: dict[Confidence, float] = {"certain": 1.05, "likely": 1.0, "unsure": 0.9}
KINDS: dict[MemoryKind, float] = {
    "key_fact": 1.02,
    "decision": 1.02,
    "key_snippet": 1.01,
    "research_note": 1.0,
    "related_file": 0.98,
    "work_log": 0.95,
}
OLD = timedelta(days=180)
LOST_BY_AGE = 0.1
"""The most that age takes of a score."""

MEANING_SECONDS = 5.0

MAX_SEARCHED = 20_000
"""Characters of a task that are looked through for paths."""
PATH = re.compile(r"(?<![\w./-])(?:[\w.-]+/)*[\w-][\w.-]*\.\w{1,8}\b|(?<![\w./-])(?:[\w.-]+/)+[\w.-]+")


logger = logging.getLogger(__name__)


class VectorSearch(Protocol):
    """An index of what entries mean."""

    async def search(self, namespaces: Sequence[Namespace], query: str, limit: int) -> list[tuple[str, float]]:
        """Ids of entries with their similarity, from 0 to 1, the most similar first."""


@dataclass(frozen=True)
class Question:
    """What memory is asked for. ``files`` are those that the work touches."""

    text: str
    files: frozenset[str] = frozenset()
    kinds: tuple[MemoryKind, ...] = ()
    limit: int = LIMIT
    tokens: int = 2_000

    @property
    def characters(self) -> int:
        return self.tokens * CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class Found:
    """Candidates by the way in which they were found, each the best first."""

    by_words: Sequence[MemoryEntry] = ()
    by_meaning: Sequence[tuple[MemoryEntry, float]] = ()
    by_file: Sequence[MemoryEntry] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    """How much each word of the question says."""


@dataclass
class _Candidate:
    entry: MemoryEntry
    score: float = 0.0
    similarity: float | None = None
    by_words: bool = False
    why: list[str] = field(default_factory=list)


def rank(question: Question, found: Found) -> list[RecalledEntry]:
    """The best first, each with its score and why it is there. Nothing depends on when it is asked."""
    candidates = _fused(found)
    newest = max((_updated(entry.entry) for entry in candidates), default=None)
    words = frozenset(asked_words(question.text))
    for candidate in candidates:
        _explain(candidate, question, words)
        candidate.score *= _weight(candidate.entry, question, newest)
    candidates.sort(key=lambda candidate: (-candidate.score, candidate.entry.memory_id))
    return [
        as_recalled(candidate.entry, "; ".join(candidate.why) + ".").model_copy(
            update={"score": round(candidate.score, 6)}
        )
        for candidate in candidates
    ]


def fit(entries: Sequence[RecalledEntry], question: Question) -> list[RecalledEntry]:
    """The first of ``entries``, within the question's tokens: long ones are shortened before any is left out."""
    least = [_least(entry) for entry in entries[: question.limit]]
    count = 0
    while count < len(least) and sum(least[: count + 1]) <= question.characters:
        count += 1
    return [
        entry.model_copy(update={"content": shorten(entry.content, room)})
        for entry, room in zip(entries, _shares(entries[:count], question.characters), strict=False)
    ]


def named_paths(text: str) -> list[str]:
    """What looks like a file's path in it."""
    found = (match.group().removeprefix("./").rstrip(".") for match in PATH.finditer(text[:MAX_SEARCHED]))
    return list(dict.fromkeys(found))


def matches(question: Question, entry: MemoryEntry) -> bool:
    """Whether an entry has to do with the task: one file, or two words, in common."""
    if _about_files(entry, question.files):
        return True
    shared = _shared(frozenset(asked_words(question.text)), entry)
    return len(shared) >= 2


async def compare_with_files(entries: Sequence[RecalledEntry], files: FileReader | None) -> list[RecalledEntry]:
    if files is None:
        return list(entries)
    return await asyncio.to_thread(lambda: [with_freshness(entry, files) for entry in entries])


class Recall:
    """Asks memory, and the index of meanings where there is one."""

    def __init__(self, memory: Memory, vectors: VectorSearch | None = None, spans: Spans = NO_SPANS) -> None:
        self._memory = memory
        self._spans = spans
        self._vectors = vectors

    async def recall(
        self, namespaces: Sequence[Namespace], question: Question, files: FileReader | None = None
    ) -> list[RecalledEntry]:
        """Within the budget; an entry that contradicts one of them comes with it. ``files`` say which are stale."""
        if question.tokens == 0:
            return []
        with self._spans.open("memory recall", {}) as span:
            ranked = rank(question, await self._find(namespaces, question))[: question.limit]
            entries = await self._with_contradicting(namespaces, ranked)
            found = fit(await compare_with_files(entries, files), question)
            span.attributes["entries"] = len(found)
        return found

    async def search(
        self, namespaces: Sequence[Namespace], text: str, *, kinds: Sequence[MemoryKind] = (), limit: int
    ) -> list[MemoryEntry]:
        """The entries that fit ``text`` best, whole."""
        question = Question(text, frozenset(named_paths(text)), tuple(kinds), limit)
        ranked = rank(question, await self._find(namespaces, question))[:limit]
        entries = await self._memory.get_all(namespaces, [found.memory_id for found in ranked])
        return [entries[found.memory_id] for found in ranked if found.memory_id in entries]

    async def _find(self, namespaces: Sequence[Namespace], question: Question) -> Found:
        memory, kinds = self._memory, question.kinds
        by_words = await memory.search(namespaces, question.text, kinds=kinds, limit=CANDIDATES)
        about = await memory.about_files(namespaces, sorted(question.files), limit=CANDIDATES)
        by_meaning: list[tuple[MemoryEntry, float]] = []
        if near := await self._near(namespaces, question.text):
            entries = await memory.get_all(namespaces, [memory_id for memory_id, _ in near])
            by_meaning = [(entries[memory_id], similarity) for memory_id, similarity in near if memory_id in entries]
        return Found(
            by_words,
            [(entry, similarity) for entry, similarity in by_meaning if not kinds or entry.kind in kinds],
            [entry for entry in about if not kinds or entry.kind in kinds],
            await memory.word_weights(question.text) if by_meaning else {},
        )

    async def _near(self, namespaces: Sequence[Namespace], text: str) -> list[tuple[str, float]]:
        """Words find enough to go on: no task waits long for a model that does not answer."""
        if self._vectors is None:
            return []
        try:
            async with asyncio.timeout(MEANING_SECONDS):
                return await self._vectors.search(namespaces, text, CANDIDATES)
        except (ModelError, TimeoutError) as error:
            logger.warning("Memory is searched by words only: %s", error or "the embeddings take too long")
            return []

    async def _with_contradicting(
        self, namespaces: Sequence[Namespace], ranked: list[RecalledEntry]
    ) -> list[RecalledEntry]:
        there = {entry.memory_id for entry in ranked}
        missing = [other for entry in ranked for other in entry.conflicts_with if other not in there]
        if not missing:
            return ranked
        others = await self._memory.get_all(namespaces, missing)
        told: list[RecalledEntry] = []
        for entry in ranked:
            told.append(entry)
            for memory_id in entry.conflicts_with:
                if other := others.pop(memory_id, None):
                    told.append(as_recalled(other, f"It contradicts {entry.memory_id}."))
        return told


def _fused(found: Found) -> list[_Candidate]:
    candidates: dict[str, _Candidate] = {}

    def take(entry: MemoryEntry, place: int) -> _Candidate:
        candidate = candidates.setdefault(entry.memory_id, _Candidate(entry))
        candidate.score += 1 / (SMOOTHING + place)
        return candidate

    for place, entry in enumerate(found.by_words, start=1):
        take(entry, place).by_words = True
    for place, (entry, similarity) in enumerate(found.by_meaning, start=1):
        take(entry, place).similarity = similarity
    for place, entry in enumerate(found.by_file, start=1):
        take(entry, place)
    if found.by_meaning:
        _score_by_meaning(list(candidates.values()), found)
    return list(candidates.values())


def _score_by_meaning(candidates: Sequence[_Candidate], found: Found) -> None:
    """One that the index did not find is less similar than all that it found."""
    least = min(similarity for _, similarity in found.by_meaning)
    for candidate in candidates:
        similarity = least if candidate.similarity is None else candidate.similarity
        candidate.score = max(similarity, 0.0) + OF_WORDS * _coverage(candidate.entry, found.weights)


def _coverage(entry: MemoryEntry, weights: Mapping[str, float]) -> float:
    """The share of the question's words that the entry has, each by how much it says; from 0 to 1."""
    said = {stem(word) for word in _said(entry)}
    whole = sum(weights.values())
    return sum(weight for word, weight in weights.items() if stem(word) in said) / whole if whole else 0.0


def _weight(entry: MemoryEntry, question: Question, newest: datetime | None) -> float:
    weight = CONFIDENCES[entry.confidence] * KINDS[entry.kind]
    if _about_files(entry, question.files):
        weight *= ABOUT_FILE
    age = (newest - _updated(entry)) / OLD if newest else 0.0
    return weight * (1 - LOST_BY_AGE * (1 - math.exp(-age)))


def _explain(candidate: _Candidate, question: Question, words: frozenset[str]) -> None:
    if path := _about_files(candidate.entry, question.files):
        candidate.why.append(f"It is about {path}")
    if shared := _shared(words, candidate.entry):
        shown = ", ".join(shared[:5])
        candidate.why.append(f"It shares the word{'s' if len(shared) > 1 else ''} {shown}")
    elif candidate.by_words:
        candidate.why.append("Its words are like those that were asked for")
    if candidate.similarity is not None:
        candidate.why.append(f"It has a similar meaning ({candidate.similarity:.2f})")


def _shared(words: frozenset[str], entry: MemoryEntry) -> list[str]:
    """The words of the question that the entry has, in the entry's order."""
    return [word for word in dict.fromkeys(_said(entry)) if word in words]


def _said(entry: MemoryEntry) -> list[str]:
    return split_words(" ".join([entry.content, *entry.tags, entry.place.path if entry.place else ""]))


def _about_files(entry: MemoryEntry, files: frozenset[str]) -> str | None:
    """The path of the file that the entry is about, where it is one of ``files``."""
    path = entry.place.path if entry.place else entry.content.strip() if entry.kind == "related_file" else None
    return path if path in files else None


def _updated(entry: MemoryEntry) -> datetime:
    return datetime.fromisoformat(entry.updated_at)


def _least(entry: RecalledEntry) -> int:
    return HEADER_CHARACTERS + min(len(entry.content), LEAST_CHARACTERS)


def _shares(entries: Sequence[RecalledEntry], characters: int) -> list[int]:
    """How many characters of each entry are told: the short ones leave their rest to the long ones."""
    left = characters - HEADER_CHARACTERS * len(entries)
    shares = [0] * len(entries)
    for done, number in enumerate(sorted(range(len(entries)), key=lambda number: len(entries[number].content))):
        shares[number] = min(len(entries[number].content), left // (len(entries) - done))
        left -= shares[number]
    return shares
