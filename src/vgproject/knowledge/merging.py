"""What becomes of a note in a memory that knows something already: no database here, only the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vgproject.knowledge.notes import Note
from vgproject.knowledge.similarity import compare, take_apart
from vgproject.schema.memory import MemoryKind, Place

CONTRADICTABLE: frozenset[MemoryKind] = frozenset(("key_fact", "decision"))
"""Of what was found or done at one time, different texts can all be true."""

COMPARED: frozenset[MemoryKind] = CONTRADICTABLE | {"research_note"}


@dataclass(frozen=True)
class Known:
    """What the decision looks at of an active entry of the same kind."""

    memory_id: str
    content: str
    digest: str
    place: Place | None


@dataclass(frozen=True)
class Decision:
    """``merged``: it says nothing new; with ``rewrite`` it says it better. ``superseded``: it takes the place of others."""

    outcome: Literal["added", "merged", "superseded", "conflicting"]
    known: tuple[str, ...] = ()
    """Ids of the entries that it is about."""
    rewrite: bool = False
    reason: str | None = None


def decide(note: Note, candidates: Sequence[Known]) -> Decision:
    """``candidates`` are active entries of the note's kind and memory, the likeliest first."""
    for known in candidates:
        if known.digest == note.digest and known.memory_id not in note.replaces:
            return Decision("merged", (known.memory_id,))
    if note.replaces:
        return Decision("superseded", note.replaces)
    if note.kind == "key_snippet" and note.place:
        return _decide_snippet(note.place, candidates)
    if note.kind not in COMPARED:
        return Decision("added")
    return _decide_text(note, candidates)


def _decide_snippet(place: Place, candidates: Sequence[Known]) -> Decision:
    """Who looked last at these lines of the file knows them best."""
    older = tuple(known.memory_id for known in candidates if known.place and _overlap(known.place, place))
    return Decision("superseded", older, reason="The same lines were noted anew.") if older else Decision("added")


def _overlap(one: Place, other: Place) -> bool:
    if one.path != other.path or one.start_line is None or other.start_line is None:
        return False
    return one.start_line <= (other.end_line or other.start_line) and other.start_line <= (
        one.end_line or one.start_line
    )


def _decide_text(note: Note, candidates: Sequence[Known]) -> Decision:
    saying = take_apart(note.content)
    contrary: list[str] = []
    for known in candidates:
        match compare(take_apart(known.content), saying):
            case "same" | "first_says_more":
                return Decision("merged", (known.memory_id,), reason="It says nearly the same.")
            case "second_says_more":
                return Decision("merged", (known.memory_id,), rewrite=True, reason="It says nearly the same, and more.")
            case "contrary" if note.kind in CONTRADICTABLE:
                contrary.append(known.memory_id)
            case _:
                pass
    if contrary:
        return Decision("conflicting", tuple(contrary), reason="They say different things of the same.")
    return Decision("added")
