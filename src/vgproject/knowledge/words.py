"""Which words of a question are looked for, and how much each says."""

import math
from collections.abc import Mapping

MAX_WORDS = 12
MANY = 100_000
"""About so many entries: only the ratio of the weights counts."""


def weigh(frequencies: Mapping[str, int]) -> dict[str, float]:
    """The rarest of the words that are there at all, with their weight (inverse document frequency)."""
    there = {word: count for word, count in frequencies.items() if count}
    rarest = sorted(there, key=lambda word: there[word])[:MAX_WORDS]
    return {word: math.log(1 + MANY / there[word]) for word in rarest}
