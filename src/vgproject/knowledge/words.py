"""Which words of a question are looked for, and how much each says."""

import math
from collections.abc import Mapping

MAX_ASKED = 40
"""Words of a question that are looked up."""

MAX_WORDS = 12
"""Words that are looked for."""

MANY = 100_000
"""About so many entries: only the ratio of the weights counts."""


def rarity(count: int) -> float:
    """How much a word says that ``count`` entries have: its inverse document frequency."""
    return math.log(1 + MANY / max(count, 0.5))


def weigh(frequencies: Mapping[str, int], *, most_entries: int) -> dict[str, float]:
    """The rarest of the words that are there at all, with their weight.

    A word that would bring the entries to be ranked to ``most_entries`` is left out, unless there is no other: the rare words
    of a question find what it is about, and a frequent one costs as much as all others together.
    """
    there = {word: count for word, count in frequencies.items() if count}
    chosen: dict[str, float] = {}
    found = 0
    for word in sorted(there, key=lambda word: (there[word], -len(word)))[:MAX_WORDS]:
        found += there[word]
        if chosen and found >= most_entries:
            break
        chosen[word] = rarity(there[word])
    return chosen
