"""`MemorySaver`: the one way from a session's transient notes into the persistent memory, and back to its models."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from vgproject.knowledge.freshness import FileReader
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.namespaces import Namespace, of_project, of_user
from vgproject.knowledge.news import choose_news
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import Question, Recall, compare_with_files, fit
from vgproject.knowledge.seen_texts import SeenTexts
from vgproject.schema.base import Actor
from vgproject.schema.events import MemoryMerged, RecalledEntry
from vgproject.schema.memory import (
    MAX_CONTENT,
    MemoryConflict,
    MemoryEntry,
    MemoryKind,
    MemoryOrigin,
    MemorySource,
    Place,
)
from vgproject.utils.text import shorten

Heads = dict[str, tuple[str, int]]
"""Epoch and ``memory_seq`` up to which the changes of each memory are known, by its name."""

LOOK_SECONDS = 1.0
"""How often memory is looked at for what another process has changed."""
MAX_PATH = 1_000


class MemorySaver:
    """The notes of one phase of a task: they are its own until `merge` puts them into memory.

    ``user`` is whose own memory is told and added to beside the project's. ``files`` are the session's.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        project: str,
        user: str,
        session_id: str,
        task_id: str,
        recall: Recall | None = None,
        files: FileReader | None = None,
    ) -> None:
        self._memory = memory
        self._recall = recall or Recall(memory)
        self._namespaces = {"project": of_project(project), "user": of_user(user)}
        self._session_id = session_id
        self._task_id = task_id
        self._files = files
        self._notes: list[Note] = []
        self._refused = 0
        self._seen = SeenTexts()
        self._told: dict[str, str] = {}
        self._question = Question("")
        self._is_followed = False
        self._may_be_changed = True
        self._looked_at = 0.0
        self.heads: Heads | None = None
        """How far memory's changes were known when the phase was told of it; ``None`` where it was not."""

    @property
    def _spaces(self) -> list[Namespace]:
        return list(self._namespaces.values())

    # Noting

    @property
    def is_full(self) -> bool:
        """One note more is refused."""
        return len(self._notes) >= self.max_notes

    @property
    def max_notes(self) -> int:
        return self._memory.settings.max_notes

    def note(self, kind: MemoryKind, content: str) -> None:
        """A note in plain words, as sure as its author usually is."""
        self.take(Note(kind=kind, content=shorten(content, MAX_CONTENT)))

    def note_file(self, path: str) -> None:
        """That a file has to do with the project's tasks."""
        place = Place(path=path) if len(path) <= MAX_PATH and len(path.split()) == 1 else None
        self.take(Note(kind="related_file", content=path, place=place))

    def take(self, note: Note) -> None:
        """A note copied from what was seen of the web or of a tool is known to be that."""
        if self.is_full:
            self._refused += 1
            return
        if note.source == "agent" and (source := self.source_of(note.content)):
            note = note.model_copy(update={"source": source})
        self._notes.append(note)

    def see(self, source: MemorySource, text: str) -> None:
        """The agent was shown this text, which nobody here has written."""
        self._seen.see(source, text)

    def source_of(self, content: str) -> MemorySource | None:
        return self._seen.source_of(content)

    def keep_certain(self) -> None:
        """What an attempt that failed was certain of stays."""
        self._notes = [note for note in self._notes if note.confidence == "certain"]

    # Recalling

    async def recall(
        self,
        query: str,
        limit: int = 10,
        *,
        kinds: Sequence[MemoryKind] = (),
        files: Iterable[str] = (),
    ) -> list[RecalledEntry]:
        """The entries that fit ``query`` best, within the budget of `MemorySettings`."""
        question = Question(query, frozenset(files), tuple(kinds), limit, self._memory.settings.recall_tokens)
        return await self._recall.recall(self._spaces, question, self._files)

    async def find(self, memory_ids: Sequence[str]) -> dict[str, MemoryEntry]:
        """The active entries among them, by id, that are the project's or the user's."""
        return await self._memory.get_all(self._spaces, memory_ids)

    async def note_recall(self, entries: Sequence[RecalledEntry], *, scope: str) -> None:
        """That a model was given ``entries``, once for each ``scope``."""
        told = [entry.memory_id for entry in entries]
        await self._memory.note_recall(told, scope=f"recall/{scope}", session_id=self._session_id)

    # Changes by others

    @contextmanager
    def follow(self) -> Iterator[None]:
        """While it is open, `news` asks the database only where something may have changed."""
        stops = [self._memory.on_change(space, self._on_change) for space in self._spaces]
        self._is_followed = True
        try:
            yield
        finally:
            self._is_followed = False
            for stop in stops:
                stop()

    def _on_change(self, seq: int) -> None:
        self._may_be_changed = True

    def begin(self, heads: Heads, query: str, files: Iterable[str]) -> None:
        """A phase is told of memory as it is at ``heads``; from then on `news` is what is changed."""
        self.heads = heads
        self._question = Question(query, frozenset(files), tokens=self._memory.settings.recall_tokens // 2)

    def tell(self, entries: Iterable[RecalledEntry]) -> None:
        """The phase's agent was given these entries: it is told of every change of them."""
        for entry in entries:
            self._told[entry.memory_id] = entry.content
            if entry.source in ("web", "tool"):
                self.see(entry.source, entry.content)

    async def read_heads(self) -> Heads:
        found = await self._memory.heads(self._spaces)
        return {name: (head.epoch, head.memory_seq) for name, head in found.items()}

    async def news(self, heads: Heads) -> tuple[list[RecalledEntry], Heads]:
        """What others have changed since ``heads`` that the agent has to know, and how far it is known then."""
        looked = time.monotonic()
        if self._is_followed and not self._may_be_changed and looked - self._looked_at < LOOK_SECONDS:
            return [], heads
        self._may_be_changed = False
        reached = await self.read_heads()
        self._looked_at = looked
        if reached == heads or not self._question.tokens:
            return [], reached
        chosen: list[RecalledEntry] = []
        for space in self._spaces:
            chosen += await self._news_of(space, heads, reached)
        return fit(await compare_with_files(chosen, self._files), self._question), reached

    async def _news_of(self, space: Namespace, heads: Heads, reached: Heads) -> list[RecalledEntry]:
        """Moves ``reached`` back where there is more than is read at once."""
        epoch, head = reached.get(space.name, ("", 0))
        # Not there before: its first change made it.
        known_epoch, known = heads.get(space.name, (epoch, 0))
        if head == known or epoch != known_epoch:
            return []
        changes = await self._memory.changes_after(space, known)
        reached[space.name] = (epoch, changes[-1].memory_seq)
        self._may_be_changed |= changes[-1].memory_seq < head
        return choose_news(changes, self._told, self._question, session_id=self._session_id)

    # Merging

    async def merge(
        self, phase: str, *, scope: str, only_certain: bool = False, more: Sequence[Note] = ()
    ) -> MemoryMerged:
        """Put the notes into memory, once for each ``scope``: after a crash the same answer comes back.

        ``only_certain`` for a phase that did not come to its end; ``more`` are notes of it from before a crash.
        """
        notes = [note for note in (*self._notes, *more) if note.confidence == "certain" or not only_certain]
        origin = MemoryOrigin(session_id=self._session_id, task_id=self._task_id, phase=phase, actor=phase)
        merged = await self._memory.merge(
            self._by_namespace(notes),
            origin,
            actor=Actor(kind="agent", id=phase),
            scope=scope,
            refused=self._refused,
        )
        self._notes.clear()
        self._refused = 0
        return merged

    def _by_namespace(self, notes: list[Note]) -> Mapping[Namespace, list[Note]]:
        batches: dict[Namespace, list[Note]] = {}
        for note in dict.fromkeys(notes):
            batches.setdefault(self._namespaces[note.scope], []).append(note)
        return batches

    async def conflicts_of(self, memory_ids: Sequence[str]) -> list[MemoryConflict]:
        """The open ones that these entries, when they were added, have made."""
        if not memory_ids:
            return []
        found = [conflict for space in self._spaces for conflict in await self._memory.conflicts(space)]
        return [conflict for conflict in found if conflict.second.memory_id in memory_ids]
