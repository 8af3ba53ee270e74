"""Which entries are recalled, in which order, why, and within which budget."""

from collections.abc import Sequence
from typing import Any

import pytest

from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import Namespace, of_project, of_user
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import (
    CHARACTERS_PER_TOKEN,
    HEADER_CHARACTERS,
    Found,
    Question,
    Recall,
    fit,
    matches,
    named_paths,
    rank,
)
from vgproject.schema.base import Actor
from vgproject.schema.memory import MemoryEntry, MemoryOrigin, Place

PROJECT, ANN = of_project("/p"), of_user("ann")
ORIGIN = MemoryOrigin(session_id="ses", actor="research", phase="research")
AGENT = Actor(kind="agent", id="research")


def entry(name: str, content: str = "Text.", **fields: Any) -> MemoryEntry:
    values = {
        "memory_id": name,
        "project": "/p",
        "kind": "key_fact",
        "content": content,
        "version": 1,
        "origin": ORIGIN,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }
    return MemoryEntry.model_validate(values | fields)


def names(question: Question, found: Found) -> list[str]:
    return [recalled.memory_id for recalled in rank(question, found)]


def test_an_entry_that_is_found_in_two_ways_comes_before_one_that_is_first_in_one() -> None:
    words, both, meaning = entry("words", "A text."), entry("both", "Some text."), entry("meaning", "Prose.")
    found = Found(
        [words, both], [(meaning, 0.82), (both, 0.8), (entry("other", "Nothing."), 0.1)], weights={"text": 2.0}
    )
    assert names(Question("text"), found) == ["both", "meaning", "words", "other"]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"confidence": "certain"}, {"confidence": "unsure"}),
        ({"kind": "key_fact"}, {"kind": "work_log"}),
        ({"place": {"path": "a.py"}}, {"place": {"path": "b.py"}}),
        ({"updated_at": "2026-01-01T00:00:00.000Z"}, {"updated_at": "2023-01-01T00:00:00.000Z"}),
    ],
)
def test_confidence_kind_files_and_age_weigh(better: dict[str, Any], worse: dict[str, Any]) -> None:
    """Although the worse one shares more words."""
    question = Question("text", frozenset({"a.py"}))
    assert names(question, Found([entry("worse", **worse), entry("better", **better)])) == ["better", "worse"]


def test_age_is_gentle_and_no_clock_is_asked() -> None:
    """An old entry that fits much better stays first, and the same entries always come in the same order."""
    old = entry("old", updated_at="2001-01-01T00:00:00.000Z")
    others = [entry(f"new {number}") for number in range(40)]
    ranked = names(Question("text"), Found([old, *others], [(old, 0.9), (others[0], 0.6)], [old]))
    assert ranked[0] == "old"


def test_each_says_why_in_a_sentence() -> None:
    found = Found(
        [entry("words", "The parser keeps the date.")],
        [(entry("near", "Zeit."), 0.871)],
        [entry("file", "Zeit.", place={"path": "src/a.py"})],
    )
    question = Question("Mend the date parser", frozenset({"src/a.py"}))
    assert {recalled.memory_id: recalled.reason for recalled in rank(question, found)} == {
        "words": "It shares the words parser, date.",
        "near": "It has a similar meaning (0.87).",
        "file": "It is about src/a.py.",
    }


def test_a_long_entry_is_shortened_and_starves_no_other() -> None:
    long, short = entry("long", "x" * 8_000), entry("short", "Short.")
    question = Question("text", tokens=500)
    told = fit(rank(question, Found([long, short])), question)
    assert {recalled.memory_id for recalled in told} == {"long", "short"}
    assert next(r.content for r in told if r.memory_id == "short") == "Short."
    characters = sum(len(recalled.content) + HEADER_CHARACTERS for recalled in told)
    assert 400 * CHARACTERS_PER_TOKEN < characters <= question.characters


@pytest.mark.parametrize("tokens", [0, 10, 99, 150, 1_000])
def test_the_budget_is_never_passed(tokens: int) -> None:
    question = Question("text", tokens=tokens)
    told = fit(rank(question, Found([entry(str(number), "x" * number * 50) for number in range(1, 40)])), question)
    assert sum(len(recalled.content) + HEADER_CHARACTERS for recalled in told) <= question.characters
    assert bool(told) == (tokens >= 99)


def test_paths_that_a_task_names_are_found() -> None:
    text = "See ./src/app/main.py, docs/README.md and `calc.py`. Use src/lib/ too."
    assert named_paths(text) == ["src/app/main.py", "docs/README.md", "calc.py", "src/lib"]


def test_an_entry_matches_a_task_with_two_words_or_one_file_in_common() -> None:
    question = Question("Mend the date parser", frozenset({"a.py"}))
    assert matches(question, entry("a", "The parser of dates: date first."))
    assert matches(question, entry("b", "x", place={"path": "a.py"}))
    assert not matches(question, entry("c", "The parser is slow."))


class Vectors:
    """Says that everything is near, in the order of its ids."""

    def __init__(self, near: Sequence[str]) -> None:
        self._near = near

    async def search(self, namespaces: Sequence[Namespace], query: str, limit: int) -> list[tuple[str, float]]:
        return [(name, 0.9) for name in self._near][:limit]


async def add(memory: Memory, content: str, space: Namespace = PROJECT, **fields: Any) -> str:
    note = Note(content=content, scope=space.scope, **fields)
    return (await memory.add(space, note, ORIGIN, actor=AGENT))[0].memory_id


async def test_the_projects_and_the_users_own_memory_are_asked_and_no_others(memory: Memory) -> None:
    of_this = await add(memory, "The parser is written by hand.")
    own = await add(memory, "A parser should be fast.", ANN)
    await add(memory, "The parser of another project.", of_project("/q"))
    await add(memory, "The parser of somebody else.", of_user("bob"))
    told = await Recall(memory).recall([PROJECT, ANN], Question("parser"))
    assert {recalled.memory_id: recalled.scope for recalled in told} == {of_this: "project", own: "user"}


async def test_what_words_do_not_find_its_file_and_its_meaning_do(memory: Memory) -> None:
    near = await add(memory, "Zahlen werden zerlegt.")
    about = await add(memory, "Ganz anders.", place=Place(path="src/parse.py"))
    gone = await add(memory, "Vergessen wurde dies.")
    await memory.forget(gone, actor=AGENT)
    elsewhere = await add(memory, "Anderswo.", of_project("/q"))
    question = Question("numbers", frozenset({"src/parse.py"}))
    told = await Recall(memory, Vectors([near, gone, elsewhere])).recall([PROJECT], question)
    assert sorted(recalled.memory_id for recalled in told) == sorted([near, about])
    assert await Recall(memory).recall([PROJECT], Question("numbers")) == []


async def test_kinds_are_obeyed_in_every_way_of_finding(memory: Memory) -> None:
    fact = await add(memory, "The parser is fast.", place=Place(path="a.py"))
    decision = await add(memory, "The parser is written by hand.", kind="decision", place=Place(path="a.py"))
    question = Question("parser", frozenset({"a.py"}), kinds=("decision",))
    told = await Recall(memory, Vectors([fact, decision])).recall([PROJECT], question)
    assert [recalled.memory_id for recalled in told] == [decision]


async def test_what_contradicts_an_entry_comes_with_it(memory: Memory) -> None:
    first = await add(memory, "The default port of the server is 80.")
    merged = await memory.merge(
        {PROJECT: [Note(content="The default port of the server is 8080.")]}, ORIGIN, actor=AGENT, scope="m"
    )
    [second] = merged.conflicting
    told = await Recall(memory).recall([PROJECT], Question("server", limit=1))
    assert len(told) == 1
    both = await Recall(memory).recall([PROJECT], Question("8080"))
    assert [(recalled.memory_id, recalled.conflicts_with) for recalled in both] == [
        (second, [first]),
        (first, [second]),
    ]
    assert both[1].reason == f"It contradicts {second}."
