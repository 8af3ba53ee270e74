"""The entries that a note may say again, replace or contradict."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain

from vgproject.knowledge.merging import COMPARED
from vgproject.knowledge.notes import Note
from vgproject.knowledge.words import MAX_WORDS, weigh
from vgproject.models.tables import MemoryRow
from vgproject.repositories.memory_search import Question
from vgproject.repositories.unit_of_work import UnitOfWork
from vgproject.utils.words import asked_words

FOUND_BY_PATH = ("key_snippet",)

LIKE_IT = 8
"""How many entries a note is compared with."""

MOST_ENTRIES = 200
"""That are ranked for it: what says nearly the same shares rare words with it."""


class Candidates:
    """For the notes of one merge, in its transaction. The database is asked once for all of them, before the first."""

    def __init__(self, same: dict[str, MemoryRow], alike: Mapping[Note, Sequence[MemoryRow]]) -> None:
        self._same = same
        self._alike = alike
        self._added: list[MemoryRow] = []

    def add(self, row: MemoryRow) -> None:
        """An entry that this merge has made."""
        self._added.append(row)
        self._same[row.digest] = row

    def of(self, note: Note) -> dict[str, MemoryRow]:
        """By id, the likeliest first; they are active and of the note's kind."""
        if same := self._same.get(note.digest):
            rows = [same]
        else:
            rows = [*(row for row in self._added if _may_be_about_it(row, note)), *self._alike.get(note, ())]
        return {row.id: row for row in rows if row.status == "active" and row.kind == note.kind}


async def open_candidates(work: UnitOfWork, namespace: str, notes: Sequence[Note]) -> Candidates:
    same = await work.memory.find_digests(namespace, [note.digest for note in notes])
    new = [note for note in dict.fromkeys(notes) if note.digest not in same]
    alike = {
        note: await work.memory.find_path(namespace, note.kind, note.place.path)
        for note in new
        if note.kind in FOUND_BY_PATH and note.place
    }
    texts = [note for note in new if note.kind in COMPARED]
    return Candidates(same, {**alike, **await _alike_in_words(work, namespace, texts)})


async def _alike_in_words(work: UnitOfWork, namespace: str, notes: Sequence[Note]) -> dict[Note, Sequence[MemoryRow]]:
    words = {note: _looked_up(note) for note in notes}
    frequencies = await work.memory_search.frequencies(list(dict.fromkeys(chain(*words.values()))))
    questions = [
        Question(
            [namespace],
            weigh({word: frequencies[word] for word in words[note]}, most_entries=MOST_ENTRIES),
            LIKE_IT,
            [note.kind],
        )
        for note in notes
    ]
    return dict(zip(notes, await work.memory_search.find(questions), strict=True))


def _may_be_about_it(row: MemoryRow, note: Note) -> bool:
    if note.kind in FOUND_BY_PATH and note.place:
        return row.path == note.place.path
    words = _looked_up(note)
    return 2 * len(set(row.words.split()) & set(words)) >= len(words)


@lru_cache(maxsize=1_000)
def _looked_up(note: Note) -> Sequence[str]:
    """The longest words: they are the rarest, as a rule."""
    return sorted(asked_words(note.content), key=len, reverse=True)[:MAX_WORDS]
