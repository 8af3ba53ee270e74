"""How two short texts about code stand to each other: the same, nearly so, contrary, or about different things.

No model is asked: what this cannot see is left as two entries. It is made to be right where it says something.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from vgproject.utils.words import STOP_WORDS, stem

Relation = Literal["same", "first_says_more", "second_says_more", "contrary", "other"]

TOKEN = re.compile(r"[^\s,;()\[\]{}\"'`“”’]+(?:'t)?")
NEGATIONS = frozenset("not no never none cannot can't don't doesn't isn't aren't won't without neither nor".split())  # noqa: SIM905
VALUE = re.compile(r"\d|[._/\\:=<>-]|[a-z][A-Z]|^[A-Z]{2,}")
"""Numbers, versions, paths, options and identifiers: two texts that differ in one say different things."""

NEAR = 0.8
MAX_REPLACED = 3
"""Words of one place in a sentence that can be exchanged for others and make it the contrary."""


@dataclass(frozen=True)
class Saying:
    """A text taken apart."""

    tokens: tuple[str, ...]
    content: frozenset[str]
    """The words that say something, without their endings."""
    values: frozenset[str]
    negations: int


@lru_cache(maxsize=10_000)
def take_apart(text: str) -> Saying:
    tokens = tuple(stripped for token in TOKEN.findall(text.replace("’", "'")) if (stripped := token.strip(".:!?*-")))
    low = tuple(token.lower() for token in tokens)
    return Saying(
        tokens=low,
        content=frozenset(stem(word) for word in low if _says_something(word)),
        values=frozenset(word for token, word in zip(tokens, low, strict=True) if VALUE.search(token)),
        negations=sum(word in NEGATIONS for word in low),
    )


def compare(first: Saying, second: Saying) -> Relation:
    if first.tokens == second.tokens:
        return "same"
    shared, either = first.content & second.content, first.content | second.content
    likeness = len(shared) / len(either) if either else 0.0
    if first.negations % 2 != second.negations % 2:
        return "contrary" if likeness >= NEAR and first.values == second.values else "other"
    if _differ_in_one_place(first.tokens, second.tokens):
        return "contrary"
    if first.values != second.values and not first.values < second.values and not second.values < first.values:
        return "other"
    if first.content == second.content:
        return "same"
    if likeness < NEAR:
        return "other"
    return "second_says_more" if len(second.content) > len(first.content) else "first_says_more"


def _differ_in_one_place(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the two say the same of the same, but for one thing, as ``the port is 80`` and ``the port is 8080``.

    What comes before that place has to tell what it is about: ``parse returns a list`` and ``render returns a list``
    are both true. So may be ``there is a test for …`` of many things.
    """
    if first[:1] == ("there",) or "also" in (*first, *second):
        return False
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    changed = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    if len(changed) != 1 or changed[0][0] != "replace":
        return False
    _, begin, end, other_begin, other_end = changed[0]
    if max(end - begin, other_end - other_begin) > MAX_REPLACED:
        return False
    replaced, other = _stems(first[begin:end]), _stems(second[other_begin:other_end])
    before, after = _stems(first[:begin]), _stems(first[end:])
    return bool(replaced and other and replaced != other and before) and len(before) >= len(after)


def _stems(tokens: Sequence[str]) -> set[str]:
    return {stem(token) for token in tokens if _says_something(token)}


def _says_something(word: str) -> bool:
    return word not in STOP_WORDS and word not in NEGATIONS
