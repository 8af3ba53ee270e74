"""The persistent memory of projects and users: each change is a version, numbered, undoable and told to who follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vgproject.broker.base import Broker
from vgproject.errors import BadInputError, ConflictError, NotFoundError
from vgproject.knowledge.candidates import open_candidates
from vgproject.knowledge.conflicts import ConflictBook
from vgproject.knowledge.ledger import Ledger, entry_of, open_ledger, place_of
from vgproject.knowledge.memory_settings import MemorySettings
from vgproject.knowledge.merging import Decision, Known, decide
from vgproject.knowledge.namespaces import Namespace, parse_namespace
from vgproject.knowledge.notes import Note, digest_of, searched_words
from vgproject.knowledge.words import MAX_ASKED, rarity, weigh
from vgproject.models.tables import MemoryRow
from vgproject.repositories.memory_search import Question
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema.base import Actor
from vgproject.schema.events import MemoryMerged
from vgproject.schema.memory import (
    MAX_CONTENT,
    Confidence,
    MemoryChange,
    MemoryConflict,
    MemoryEntry,
    MemoryKind,
    MemoryOrigin,
    MemoryStatus,
    Settlement,
)
from vgproject.utils.clock import Clock
from vgproject.utils.ids import NewId
from vgproject.utils.secrets import SecretMask
from vgproject.utils.words import asked_words

MOST_RANKED = 2_000
"""Entries that are ranked for a question."""


@dataclass(frozen=True)
class Edit:
    """What is changed of an entry; ``None`` stays as it is."""

    content: str | None = None
    kind: MemoryKind | None = None
    tags: tuple[str, ...] | None = None
    confidence: Confidence | None = None


@dataclass(frozen=True)
class Head:
    """Where the changes of a memory stand. An ``epoch`` of another name is another numbering."""

    epoch: str
    memory_seq: int


@dataclass
class Merge:
    """What became of notes, by entry."""

    added: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    conflicting: list[str] = field(default_factory=list)
    refused: int = 0

    def as_event(self) -> MemoryMerged:
        """An entry that two notes were merged into is named once, and one that they have made not as merged."""
        return MemoryMerged(
            added=self.added,
            merged=[memory_id for memory_id in dict.fromkeys(self.merged) if memory_id not in self.added],
            superseded=list(dict.fromkeys(self.superseded)),
            conflicting=self.conflicting,
            refused=self.refused,
        )


class Memory:
    """Secrets are not remembered: they are masked. ``scope`` in every method that changes is that of the command that
    asks: its answer is kept with the change, and comes back when the command does."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        *,
        now: Clock,
        new_id: NewId,
        secrets: SecretMask | None = None,
        settings: MemorySettings | None = None,
    ) -> None:
        self._database = database
        self._broker = broker
        self._secrets = secrets or SecretMask()
        self._now = now
        self._new_id = new_id
        self.settings = settings or MemorySettings()

    # Reading

    async def list_entries(
        self,
        namespace: Namespace,
        *,
        kinds: Sequence[MemoryKind] = (),
        tag: str | None = None,
        statuses: Sequence[MemoryStatus] = ("active",),
        after: str | None = None,
        limit: int | None = None,
    ) -> list[MemoryEntry]:
        """In the order they were added, from the one with the id ``after`` on.

        Raises `NotFoundError` (``no_such_memory``) where this memory has no such entry.
        """
        async with self._database.unit_of_work() as work:
            number = (await _expect(work, after, namespace)).number if after else 0
            rows = await work.memory.page(
                namespace.name, kinds=kinds, tag=tag, statuses=statuses, after=number, limit=limit
            )
        return [entry_of(row) for row in rows]

    async def get(self, memory_id: str) -> MemoryEntry:
        """Whatever its status. Raises `NotFoundError` (``no_such_memory``)."""
        async with self._database.unit_of_work() as work:
            return entry_of(await _expect(work, memory_id))

    async def get_all(self, namespaces: Sequence[Namespace], memory_ids: Sequence[str]) -> dict[str, MemoryEntry]:
        """The active ones among them that are in these memories, by id."""
        names = {space.name for space in namespaces}
        async with self._database.unit_of_work() as work:
            rows = await work.memory.get_all(memory_ids)
        return {row.id: entry_of(row) for row in rows.values() if row.namespace in names and row.status == "active"}

    async def about_files(
        self, namespaces: Sequence[Namespace], paths: Sequence[str], *, limit: int = 20
    ) -> list[MemoryEntry]:
        """Active entries with a place in one of these files, the newest first."""
        if not paths:
            return []
        async with self._database.unit_of_work() as work:
            rows = await work.memory.find_paths([space.name for space in namespaces], paths, limit=limit)
        return [entry_of(row) for row in rows]

    async def search(
        self, namespaces: Sequence[Namespace], query: str, *, kinds: Sequence[MemoryKind] = (), limit: int = 20
    ) -> list[MemoryEntry]:
        """Active entries that share words with ``query``, the best first."""
        async with self._database.unit_of_work() as work:
            frequencies = await work.memory_search.frequencies(asked_words(query)[:MAX_ASKED])
            weights = weigh(frequencies, most_entries=MOST_RANKED)
            question = Question([space.name for space in namespaces], weights, limit, kinds)
            (rows,) = await work.memory_search.find([question])
        return [entry_of(row) for row in rows]

    async def word_weights(self, text: str) -> dict[str, float]:
        """How much each word of a question says: the more, the fewer entries have it."""
        async with self._database.unit_of_work() as work:
            frequencies = await work.memory_search.frequencies(asked_words(text)[:MAX_ASKED])
        return {word: rarity(count) for word, count in frequencies.items()}

    async def history(self, memory_id: str) -> list[MemoryChange]:
        """Every version of the entry, the first one first. Raises `NotFoundError` (``no_such_memory``)."""
        async with self._database.unit_of_work() as work:
            await _expect(work, memory_id)
            rows = await work.memory.history(memory_id)
        return [MemoryChange.model_validate(row.payload) for row in rows]

    async def list_namespaces(self) -> list[Namespace]:
        """All memories that anything was ever put into."""
        async with self._database.unit_of_work() as work:
            return [parse_namespace(name) for name in await work.memory.all_names()]

    async def head(self, namespace: Namespace) -> Head:
        async with self._database.unit_of_work() as work:
            row = await work.memory.namespace(namespace.name)
        return Head(row.epoch, row.head_seq) if row else Head("", 0)

    async def heads(self, namespaces: Sequence[Namespace]) -> dict[str, Head]:
        """By the namespace's name; without those in which nothing was ever noted."""
        async with self._database.unit_of_work() as work:
            rows = await work.memory.namespaces([space.name for space in namespaces])
        return {row.name: Head(row.epoch, row.head_seq) for row in rows}

    async def begin(self, namespace: Namespace) -> Head:
        """As `head`; a memory of which nothing is known yet is named now."""
        async with self._database.unit_of_work() as work:
            row = await work.memory.namespace(namespace.name)
            if row is None:
                row = await work.memory.lock(namespace.name, epoch=self._new_id("epo"))
                await work.commit()
        return Head(row.epoch, row.head_seq)

    async def state(self, namespace: Namespace, seq: int, *, after: int, limit: int) -> list[MemoryChange]:
        """The last change of each entry that was active at ``seq``, in order, of those after ``after``."""
        async with self._database.unit_of_work() as work:
            rows = await work.memory.state(namespace.name, seq, after=after, limit=limit)
        return [MemoryChange.model_validate(row.payload) for row in rows]

    async def changes_after(self, namespace: Namespace, seq: int, *, limit: int = 500) -> list[MemoryChange]:
        async with self._database.unit_of_work() as work:
            rows = await work.memory.changes_after(namespace.name, seq, limit=limit)
        return [MemoryChange.model_validate(row.payload) for row in rows]

    def on_change(self, namespace: Namespace, wake: Callable[[int], None]) -> Callable[[], None]:
        """``wake`` is called with the new head after each change; what is returned ends that."""
        return self._broker.listen(_topic(namespace), _Waker(wake))

    def on_any_change(self, wake: Callable[[], None]) -> Callable[[], None]:
        """``wake`` is called after each change of any memory that is made here; what is returned ends that."""
        return self._broker.listen(_ALL, _Waker(lambda _: wake()))

    async def conflicts(self, namespace: Namespace, *, settled: bool = False) -> list[MemoryConflict]:
        async with self._database.unit_of_work() as work:
            return await self._book(work).list_all(namespace, settled=settled)

    async def conflict(self, conflict_id: str) -> MemoryConflict:
        """Raises `NotFoundError` (``no_such_conflict``)."""
        async with self._database.unit_of_work() as work:
            return await self._book(work).get(conflict_id)

    # Changing

    async def add(
        self, namespace: Namespace, note: Note, origin: MemoryOrigin, *, actor: Actor, scope: str = ""
    ) -> tuple[MemoryEntry, bool]:
        """The entry, and whether it is new: one that says the same already is answered as it is.

        Raises `ConflictError` (``memory_full``).
        """
        async with self._database.unit_of_work() as work:
            ledger = await self._open(work, namespace)
            merge = Merge()
            (row,) = await self._merge_notes(work, ledger, [note], origin, actor, merge)
            if row is None:
                raise ConflictError(
                    f"The memory has {self.settings.max_entries} entries, which is its limit: forget some first.",
                    code="memory_full",
                )
            entry = entry_of(row)
            await self._finish(work, [ledger], scope, entry.model_dump(mode="json"), origin.session_id)
        return entry, row.id in merge.added

    async def merge(
        self,
        notes: Mapping[Namespace, Sequence[Note]],
        origin: MemoryOrigin,
        *,
        actor: Actor,
        scope: str,
        refused: int = 0,
    ) -> MemoryMerged:
        """Take up all notes or none, once for each ``scope`` that is not empty; after that the same answer comes back.

        ``refused`` are notes that were not taken before.
        """
        async with self._database.unit_of_work() as work:
            if merged := await _answer(work, scope):
                return MemoryMerged.model_validate(merged)
            merge, ledgers = Merge(refused=refused), []
            # Always in the same order, so that no two merges wait for each other.
            for namespace in sorted(notes, key=lambda space: space.name):
                ledger = await self._open(work, namespace)
                ledgers.append(ledger)
                await self._merge_notes(work, ledger, notes[namespace], origin, actor, merge)
            answer = merge.as_event()
            await self._finish(work, ledgers, scope, answer.model_dump(mode="json"), origin.session_id)
        return answer

    async def update(self, memory_id: str, edit: Edit, *, actor: Actor, version: int, scope: str = "") -> MemoryEntry:
        """Raises `ConflictError` with the current entry where ``version`` is not the current one, and `NotFoundError`
        where the entry is not active."""
        if edit.content is not None and len(edit.content) > MAX_CONTENT:
            raise BadInputError(f"The entry has {len(edit.content)} characters; it may have {MAX_CONTENT}.")
        async with self._database.unit_of_work() as work:
            ledger, row = await self._open_entry(work, memory_id, version)
            if row.status != "active":
                raise NotFoundError(
                    f"The entry {memory_id!r} is {row.status}: restore it first.", code="no_such_memory"
                )
            self._apply(row, edit)
            entry = ledger.write(row, "updated", actor=actor, origin=_by_hand(actor))
            await self._finish(work, [ledger], scope, entry.model_dump(mode="json"), None)
        return entry

    async def forget(
        self, memory_id: str, *, actor: Actor, version: int | None = None, reason: str | None = None, scope: str = ""
    ) -> MemoryEntry:
        """It can be restored. Raises as `update`; `NotFoundError` where it is forgotten already."""
        async with self._database.unit_of_work() as work:
            ledger, row = await self._open_entry(work, memory_id, version)
            if answer := await _answer(work, scope):
                return MemoryEntry.model_validate(answer)
            if row.status == "forgotten":
                raise NotFoundError(f"The memory entry {memory_id!r} is forgotten already.", code="no_such_memory")
            entry = await self._forget(work, ledger, row, actor, reason)
            await self._finish(work, [ledger], scope, entry.model_dump(mode="json"), None)
        return entry

    async def forget_all(
        self, namespace: Namespace, reasons: Mapping[str, str], *, actor: Actor, scope: str
    ) -> list[str]:
        """All or none of the entries that are still known, each for its reason; their ids are kept under ``scope``."""
        async with self._database.unit_of_work() as work:
            ledger = await self._open(work, namespace)
            rows = await work.memory.get_all(reasons)
            known = [row for row in rows.values() if row.status == "active" and row.namespace == namespace.name]
            for row in known:
                await self._forget(work, ledger, row, actor, reasons[row.id])
            forgotten = [row.id for row in known]
            await self._finish(work, [ledger], scope, {"forgotten": forgotten}, None)
        return forgotten

    async def restore_all(self, namespace: Namespace, scope: str, *, actor: Actor) -> list[str]:
        """Undo `forget_all` of that ``scope``; the ids of what was still forgotten.

        Raises `NotFoundError` (``no_such_clean_up``).
        """
        async with self._database.unit_of_work() as work:
            ledger = await self._open(work, namespace)
            if (answer := await work.commands.get(scope)) is None:
                raise NotFoundError("There was no such clean-up of this memory.", code="no_such_clean_up")
            rows = await work.memory.get_all(answer["forgotten"])
            lost = [row for row in rows.values() if row.status == "forgotten" and row.namespace == namespace.name]
            for row in lost:
                row.status = "active"
                ledger.write(row, "restored", actor=actor, origin=_by_hand(actor), reason="The clean-up was undone.")
            await self._finish(work, [ledger], "", {}, None)
        return [row.id for row in lost]

    async def restore(
        self, memory_id: str, *, actor: Actor, to_version: int | None = None, scope: str = ""
    ) -> MemoryEntry:
        """Back among what is known; with ``to_version`` with the text it had then. One that is so already stays.

        Raises `NotFoundError` (``no_such_memory``, ``no_such_version``).
        """
        async with self._database.unit_of_work() as work:
            ledger, row = await self._open_entry(work, memory_id, None)
            if answer := await _answer(work, scope):
                return MemoryEntry.model_validate(answer)
            before = entry_of(row)
            if to_version is not None:
                then = await self._version(work, memory_id, to_version)
                edit = Edit(then.content, then.kind, tuple(then.tags), then.confidence)
                self._apply(row, edit)
            row.status = "active"
            entry = entry_of(row)
            if entry != before:
                entry = ledger.write(row, "restored", actor=actor, origin=_by_hand(actor))
            await self._finish(work, [ledger], scope, entry.model_dump(mode="json"), None)
        return entry

    async def settle(
        self,
        conflict_id: str,
        settlement: Settlement,
        *,
        actor: Actor,
        content: str | None = None,
        reason: str | None = None,
        scope: str = "",
    ) -> MemoryConflict:
        """``content`` is the text that takes the place of both with ``rewrite``.

        Raises `NotFoundError` (``no_such_conflict``) and `ConflictError` (``already_resolved``).
        """
        if (settlement == "rewrite") != (content is not None):
            raise BadInputError(
                "'content' is what takes the place of both: it is needed with 'rewrite', and only then."
            )
        async with self._database.unit_of_work() as work:
            book = self._book(work)
            found = await book.expect(conflict_id)
            ledger = await self._open(work, parse_namespace(found.namespace))
            await work.memory.refresh(found)
            if answer := await _answer(work, scope):
                return MemoryConflict.model_validate(answer)
            rows = await work.memory.get_all([found.first_id, found.second_id])
            if content is not None:
                self._apply(rows[found.second_id], Edit(content=self._secrets.mask(content)))
            conflict = await book.settle(
                ledger, found, rows, settlement, actor=actor, reason=reason, origin=_by_hand(actor)
            )
            await self._finish(work, [ledger], scope, conflict.model_dump(mode="json"), None)
        return conflict

    async def note_recall(self, memory_ids: Sequence[str], *, scope: str, session_id: str | None = None) -> None:
        """That a model was given these entries, once for each ``scope``."""
        if not memory_ids:
            return
        async with self._database.unit_of_work() as work:
            if await work.commands.get(scope) is not None:
                return
            await work.memory.note_recall(memory_ids, self._now())
            await work.commands.put(scope, {"recalled": len(memory_ids)}, session_id=session_id)
            await work.commit()

    # Shared by the above

    async def _merge_notes(
        self, work: UnitOfWork, ledger: Ledger, notes: Sequence[Note], origin: MemoryOrigin, actor: Actor, merge: Merge
    ) -> list[MemoryRow | None]:
        """The entries that say it now; ``None`` where the memory is full."""
        masked = [note.model_copy(update={"content": self._secrets.mask(note.content)}) for note in notes]
        candidates = await open_candidates(work, ledger.namespace.name, masked)
        room = self.settings.max_entries - await work.memory.count(ledger.namespace.name)
        rows: list[MemoryRow | None] = []
        for note in masked:
            known = candidates.of(note)
            row = await self._merge_note(work, ledger, note, known, origin, actor, merge, has_room=room > 0)
            if row is not None and row.id not in known:
                candidates.add(row)
                room -= 1
            rows.append(row)
        return rows

    async def _merge_note(
        self,
        work: UnitOfWork,
        ledger: Ledger,
        note: Note,
        candidates: Mapping[str, MemoryRow],
        origin: MemoryOrigin,
        actor: Actor,
        merge: Merge,
        *,
        has_room: bool,
    ) -> MemoryRow | None:
        origin = origin.model_copy(update={"message_id": note.message_id, "imported_from": note.imported_from})
        decision = decide(note, [Known(row.id, row.content, row.digest, place_of(row)) for row in candidates.values()])
        if decision.outcome == "merged":
            row = candidates[decision.known[0]]
            self._merge_into(row, note, origin, decision, ledger, actor)
            merge.merged.append(row.id)
            return row
        if not has_room:
            merge.refused += 1
            return None
        row = self._new_row(ledger.namespace, note, origin)
        work.memory.add(row)
        merge.added.append(row.id)
        if decision.outcome == "superseded":
            merge.superseded += await self._supersede(work, ledger, row, decision, origin, actor)
        ledger.write(row, "added", actor=actor, origin=origin, reason=decision.reason)
        if decision.outcome == "conflicting":
            others = [candidates[memory_id] for memory_id in decision.known]
            await self._book(work).open(ledger, others, row, actor=actor, origin=origin, reason=decision.reason or "")
            merge.conflicting.append(row.id)
        return row

    async def _forget(
        self, work: UnitOfWork, ledger: Ledger, row: MemoryRow, actor: Actor, reason: str | None
    ) -> MemoryEntry:
        row.status = "forgotten"
        await self._book(work).end_of(ledger, row, actor=actor, settled="The other entry was forgotten.")
        return ledger.write(row, "forgotten", actor=actor, origin=_by_hand(actor), reason=reason)

    def _merge_into(
        self, row: MemoryRow, note: Note, origin: MemoryOrigin, decision: Decision, ledger: Ledger, actor: Actor
    ) -> None:
        """Nothing changes where the same one says the same again."""
        known = origin.model_dump(mode="json")
        tags = [*row.tags, *(tag for tag in note.tags if tag not in row.tags)]
        surer = _surer(row.confidence, note.confidence)
        if known in row.origins and not decision.rewrite and (tags, surer) == (row.tags, row.confidence):
            return
        if known not in row.origins:
            row.origins = [*row.origins, known]
        row.tags, row.confidence = tags, surer
        if decision.rewrite:
            self._apply(row, Edit(content=note.content))
        ledger.write(row, "merged", actor=actor, origin=origin, reason=decision.reason)

    async def _supersede(
        self, work: UnitOfWork, ledger: Ledger, row: MemoryRow, decision: Decision, origin: MemoryOrigin, actor: Actor
    ) -> list[str]:
        older = await work.memory.get_all(decision.known)
        replaced = [
            old
            for memory_id in decision.known
            if (old := older.get(memory_id)) and old.status == "active" and old.namespace == ledger.namespace.name
        ]
        row.replaces = [old.id for old in replaced]
        for old in replaced:
            old.status = "superseded"
            await self._book(work).end_of(ledger, old, actor=actor, settled=f"{row.id} took its place.")
            ledger.write(old, "superseded", actor=actor, origin=origin, reason=f"{row.id} takes its place.")
        return row.replaces

    def _new_row(self, namespace: Namespace, note: Note, origin: MemoryOrigin) -> MemoryRow:
        now = self._now()
        return MemoryRow(
            id=self._new_id("mem"),
            namespace=namespace.name,
            kind=note.kind,
            content=note.content,
            digest=note.digest,
            words=searched_words(note.content, note.tags, note.place),
            tags=list(note.tags),
            confidence=note.confidence,
            source=note.source,
            path=note.place.path if note.place else None,
            place=note.place.model_dump() if note.place else None,
            status="active",
            version=0,
            origins=[origin.model_dump(mode="json")],
            replaces=[],
            conflicts_with=[],
            created_at=note.noted_at or now,
            updated_at=now,
            recalls=0,
        )

    def _apply(self, row: MemoryRow, edit: Edit) -> None:
        row.content = row.content if edit.content is None else self._secrets.mask(edit.content)
        row.kind = edit.kind or row.kind
        row.tags = row.tags if edit.tags is None else list(edit.tags)
        row.confidence = edit.confidence or row.confidence
        row.digest = digest_of(row.kind, row.content)
        row.words = searched_words(row.content, row.tags, place_of(row))

    async def _open(self, work: UnitOfWork, namespace: Namespace) -> Ledger:
        return await open_ledger(work, namespace, epoch=self._new_id("epo"), now=self._now)

    async def _open_entry(self, work: UnitOfWork, memory_id: str, version: int | None) -> tuple[Ledger, MemoryRow]:
        row = await _expect(work, memory_id)
        ledger = await self._open(work, parse_namespace(row.namespace))
        await work.memory.refresh(row)
        if version is not None and version != row.version:
            current = entry_of(row).model_dump(mode="json")
            raise ConflictError(f"The entry is at version {row.version}, not {version}.", current=current)
        return ledger, row

    async def _version(self, work: UnitOfWork, memory_id: str, version: int) -> MemoryEntry:
        for change in await work.memory.history(memory_id):
            entry = MemoryChange.model_validate(change.payload).entry
            if entry.version == version:
                return entry
        raise NotFoundError(f"The memory entry {memory_id!r} has no version {version}.", code="no_such_version")

    def _book(self, work: UnitOfWork) -> ConflictBook:
        return ConflictBook(work, now=self._now, new_id=self._new_id)

    async def _finish(
        self,
        work: UnitOfWork,
        ledgers: Sequence[Ledger],
        scope: str,
        answer: dict[str, object],
        session_id: str | None,
    ) -> None:
        if scope:
            await work.commands.put(scope, answer, session_id=session_id)
        await work.commit()
        for ledger in ledgers:
            if ledger.changed:
                self._broker.wake(_topic(ledger.namespace), ledger.head)
                self._broker.wake(_ALL, 0)


CONFIDENCES: tuple[Confidence, ...] = ("unsure", "likely", "certain")


def _surer(known: str, told: Confidence) -> str:
    return max(known, told, key=CONFIDENCES.index)


_ALL = "memory"


def _topic(namespace: Namespace) -> str:
    return f"memory/{namespace.name}"


class _Waker:
    def __init__(self, wake: Callable[[int], None]) -> None:
        self.on_wake = wake

    def on_delta(self, delta: object) -> None:
        """Memory has none."""


def _by_hand(actor: Actor) -> MemoryOrigin:
    return MemoryOrigin(actor=actor.id)


async def _answer(work: UnitOfWork, scope: str) -> dict[str, object] | None:
    """What the command was answered whose twin came at the same time and held the memory first."""
    answer = await work.commands.get(scope) if scope else None
    return None if answer is None or "conflict" in answer else answer


async def _expect(work: UnitOfWork, memory_id: str, namespace: Namespace | None = None) -> MemoryRow:
    row = await work.memory.get(memory_id)
    if row is None or (namespace and row.namespace != namespace.name):
        raise NotFoundError(f"There is no memory entry {memory_id!r}.", code="no_such_memory")
    return row
