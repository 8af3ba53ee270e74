"""The persistent memory of projects and users: each change is a version, numbered, undoable and told to who follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vgproject.broker.base import Broker
from vgproject.errors import BadInputError, ConflictError, NotFoundError
from vgproject.knowledge.conflicts import ConflictBook
from vgproject.knowledge.ledger import Ledger, entry_of, open_ledger, place_of
from vgproject.knowledge.memory_settings import MemorySettings
from vgproject.knowledge.merging import Decision, Known, decide
from vgproject.knowledge.namespaces import Namespace, parse_namespace
from vgproject.knowledge.notes import Note, digest_of, searched_words
from vgproject.knowledge.words import weigh
from vgproject.models.tables import MemoryRow
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

LIKE_IT = 8
"""How many entries a note is compared with."""


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

    async def search(
        self, namespaces: Sequence[Namespace], query: str, *, kinds: Sequence[MemoryKind] = (), limit: int = 20
    ) -> list[MemoryEntry]:
        """Active entries that share words with ``query``, the best first."""
        async with self._database.unit_of_work() as work:
            rows = await self._like(work, namespaces, query, kinds=kinds, limit=limit)
        return [entry_of(row) for row in rows]

    async def history(self, memory_id: str) -> list[MemoryChange]:
        """Every version of the entry, the first one first. Raises `NotFoundError` (``no_such_memory``)."""
        async with self._database.unit_of_work() as work:
            await _expect(work, memory_id)
            rows = await work.memory.history(memory_id)
        return [MemoryChange.model_validate(row.payload) for row in rows]

    async def head(self, namespace: Namespace) -> Head:
        async with self._database.unit_of_work() as work:
            row = await work.memory.namespace(namespace.name)
        return Head(row.epoch, row.head_seq) if row else Head("", 0)

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
            row = await self._merge_note(work, ledger, note, origin, actor, merge)
            if row is None:
                raise ConflictError(
                    f"The memory has {self.settings.max_entries} entries, which is its limit: forget some first.",
                    code="memory_full",
                )
            entry = entry_of(row)
            await self._finish(work, [ledger], scope, entry.model_dump(mode="json"), origin.session_id)
        return entry, row.id in merge.added

    async def merge(
        self, notes: Mapping[Namespace, Sequence[Note]], origin: MemoryOrigin, *, actor: Actor, scope: str
    ) -> MemoryMerged:
        """Take up all notes or none, once for each ``scope``; after that the same answer comes back."""
        async with self._database.unit_of_work() as work:
            if merged := await work.commands.get(scope):
                return MemoryMerged.model_validate(merged)
            merge, ledgers = Merge(), []
            # Always in the same order, so that no two merges wait for each other.
            for namespace in sorted(notes, key=lambda space: space.name):
                ledger = await self._open(work, namespace)
                for note in notes[namespace]:
                    await self._merge_note(work, ledger, note, origin, actor, merge)
                ledgers.append(ledger)
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
            row.status = "forgotten"
            entry = ledger.write(row, "forgotten", actor=actor, origin=_by_hand(actor), reason=reason)
            await self._book(work).end_of(ledger, row, actor=actor, settled="The other entry was forgotten.")
            await self._finish(work, [ledger], scope, entry.model_dump(mode="json"), None)
        return entry

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

    async def note_recall(self, memory_ids: Sequence[str]) -> None:
        """That a model was given these entries."""
        if not memory_ids:
            return
        async with self._database.unit_of_work() as work:
            await work.memory.note_recall(memory_ids, self._now())
            await work.commit()

    # Shared by the above

    async def _merge_note(
        self, work: UnitOfWork, ledger: Ledger, note: Note, origin: MemoryOrigin, actor: Actor, merge: Merge
    ) -> MemoryRow | None:
        """The entry that says it now; ``None`` where the memory is full."""
        note = note.model_copy(update={"content": self._secrets.mask(note.content)})
        origin = origin.model_copy(update={"message_id": note.message_id, "imported_from": note.imported_from})
        candidates = await self._candidates(work, ledger.namespace, note)
        known = [Known(row.id, row.content, row.digest, place_of(row)) for row in candidates.values()]
        decision = decide(note, known)
        if decision.outcome == "merged":
            row = candidates[decision.known[0]]
            self._merge_into(row, note, origin, decision, ledger, actor)
            merge.merged.append(row.id)
            return row
        if await work.memory.count(ledger.namespace.name) >= self.settings.max_entries:
            merge.refused += 1
            return None
        row = self._new_row(ledger.namespace, note, origin)
        work.memory.add(row)
        merge.added.append(row.id)
        if decision.outcome == "superseded":
            merge.superseded += await self._supersede(work, ledger, row, decision, origin, actor)
        ledger.write(row, "added", actor=actor, origin=origin, reason=decision.reason)
        await work.memory.flush()
        if decision.outcome == "conflicting":
            others = [candidates[memory_id] for memory_id in decision.known]
            await self._book(work).open(ledger, others, row, actor=actor, origin=origin, reason=decision.reason or "")
            merge.conflicting.append(row.id)
        return row

    async def _candidates(self, work: UnitOfWork, namespace: Namespace, note: Note) -> dict[str, MemoryRow]:
        rows: list[MemoryRow] = []
        if same := await work.memory.find_digest(namespace.name, note.digest):
            rows.append(same)
        elif note.place and note.kind == "key_snippet":
            rows += await work.memory.find_path(namespace.name, note.kind, note.place.path)
        elif note.kind not in ("related_file", "work_log"):
            rows += await self._like(work, [namespace], note.content, kinds=[note.kind], limit=LIKE_IT)
        return {row.id: row for row in rows}

    async def _like(
        self, work: UnitOfWork, namespaces: Sequence[Namespace], text: str, *, kinds: Sequence[str], limit: int
    ) -> Sequence[MemoryRow]:
        weights = weigh(await work.memory.frequencies(asked_words(text)[:MAX_ASKED]))
        return await work.memory.match([space.name for space in namespaces], weights, kinds=kinds, limit=limit)

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
            ledger.write(old, "superseded", actor=actor, origin=origin, reason=f"{row.id} takes its place.")
            await self._book(work).end_of(ledger, old, actor=actor, settled=f"{row.id} took its place.")
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
            created_at=now,
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


MAX_ASKED = 40
"""Words of a question that are looked up."""

CONFIDENCES: tuple[Confidence, ...] = ("unsure", "likely", "certain")


def _surer(known: str, told: Confidence) -> str:
    return max(known, told, key=CONFIDENCES.index)


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
