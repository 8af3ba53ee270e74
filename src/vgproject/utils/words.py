"""The words of a text about code: identifiers are taken apart, and what is in every text is left out of a question."""

import re
import unicodedata

RUN = re.compile(r"[^\W_]+")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\WA-Za-z\d_]+")
"""``parseHTTPDate2`` is parse, HTTP, Date, 2."""

MAX_WORD = 60
COMMON = (
    "a about after all also an and any are as at be because been before being but by can could did do does doing for"
    " from get gets had has have having he her here him his how i if in into is it its just like make makes may me"
    " might more most must my no not of off on one only or other our out over own per please same she should so some"
    " such than that the their them then there these they this those through to too under until up us use used uses"
    " using very was we were what when where which while who why will with without would you your"
)
STOP_WORDS = frozenset(COMMON.split())


def split_words(text: str) -> list[str]:
    """The words in lower case, in their order; of a compound identifier the whole and then its parts."""
    found: list[str] = []
    for run in RUN.findall(_plain(text)):
        whole = run.lower()
        found.append(whole[:MAX_WORD])
        parts = [part.lower()[:MAX_WORD] for part in PART.findall(run)]
        if len(parts) > 1:
            found += parts
    return found


def asked_words(text: str) -> list[str]:
    """The words of a question that say something, each once, in their order; all of them where none does."""
    words = dict.fromkeys(split_words(text))
    return [word for word in words if word not in STOP_WORDS and len(word) > 1] or list(words)


def _plain(text: str) -> str:
    """Without accents: they are often left out."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def stem(word: str) -> str:
    """Without the ending of a plural or a verb, where enough of the word is left."""
    for ending in ("ings", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and word.isalpha():
            return word[: -len(ending)]
    return word
