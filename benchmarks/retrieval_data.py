"""Notes about public repositories, and tasks with the notes that would help: what recall from memory is measured on."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from vgproject.schema.memory import MemoryKind

DATA = Path(__file__).parent / "data" / "retrieval.json"
MINIMUM_ENTRIES = 200
MINIMUM_QUERIES = 60

Style = Literal["words", "paraphrase", "mixed"]


@dataclass(frozen=True)
class Entry:
    """What an agent noted about a project; ``path`` is a file of its repository."""

    id: str
    project: str
    kind: MemoryKind
    content: str
    path: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A task, and the ids of the entries that help with it, the most helpful first.

    Its style says how it is worded: with the words of the entries, with hardly any of them, or in between.
    """

    query: str
    project: str
    relevant: tuple[str, ...]
    style: Style


@dataclass(frozen=True)
class RetrievalData:
    entries: tuple[Entry, ...]
    queries: tuple[Query, ...]


def load(path: Path = DATA) -> RetrievalData:
    """Raises ValueError with everything that is wrong with the file."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    entries = tuple(_entry(each) for each in raw["entries"])
    queries = tuple(_query(each) for each in raw["queries"])
    if faults := _faults(entries, queries):
        raise ValueError(f"{path.name}: " + "; ".join(faults))
    return RetrievalData(entries, queries)


def _entry(raw: dict[str, object]) -> Entry:
    return Entry(
        id=_text(raw, "id"),
        project=_text(raw, "project"),
        kind=cast(MemoryKind, _text(raw, "kind")),
        content=_text(raw, "content"),
        path=_text(raw, "path") if "path" in raw else None,
        tags=_texts(raw, "tags"),
    )


def _query(raw: dict[str, object]) -> Query:
    return Query(
        query=_text(raw, "query"),
        project=_text(raw, "project"),
        relevant=_texts(raw, "relevant"),
        style=cast(Style, _text(raw, "style")),
    )


def _text(raw: dict[str, object], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name!r} must be a text that is not empty in {raw!r}")
    return value


def _texts(raw: dict[str, object], name: str) -> tuple[str, ...]:
    values = raw.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{name!r} must be a list of texts that is not empty in {raw!r}")
    return tuple(values)


def _faults(entries: tuple[Entry, ...], queries: tuple[Query, ...]) -> list[str]:
    return [*_count_faults(entries, queries), *_entry_faults(entries), *_query_faults(entries, queries)]


def _count_faults(entries: tuple[Entry, ...], queries: tuple[Query, ...]) -> list[str]:
    counts = (("entries", len(entries), MINIMUM_ENTRIES), ("queries", len(queries), MINIMUM_QUERIES))
    return [f"{count} {name} are fewer than {minimum}" for name, count, minimum in counts if count < minimum]


def _entry_faults(entries: tuple[Entry, ...]) -> list[str]:
    faults = []
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            faults.append(f"the id {entry.id!r} is there twice")
        if entry.kind not in get_args(MemoryKind):
            faults.append(f"{entry.id!r} has the unknown kind {entry.kind!r}")
        seen.add(entry.id)
    return faults


def _query_faults(entries: tuple[Entry, ...], queries: tuple[Query, ...]) -> list[str]:
    faults = []
    project_of = {entry.id: entry.project for entry in entries}
    for query in queries:
        if query.style not in get_args(Style):
            faults.append(f"{query.query!r} has the unknown style {query.style!r}")
        if len(set(query.relevant)) < len(query.relevant):
            faults.append(f"{query.query!r} names an entry twice")
        for id_ in query.relevant:
            if id_ not in project_of:
                faults.append(f"{query.query!r} names {id_!r}, which is not there")
            elif project_of[id_] != query.project:
                faults.append(f"{query.query!r} names {id_!r}, which is not of {query.project!r}")
    return faults
