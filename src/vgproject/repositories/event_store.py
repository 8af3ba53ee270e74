"""What the event log needs of a database, and what events say of their session and its tasks.

Append and read are written on the plain drivers: one commit an event through SQLAlchemy is too slow, a group commit is
not. The same transaction keeps what sessions and tasks show of their events: head, open questions, status.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from vgproject.errors import ConflictError, NotFoundError, VgprojectError

SEQ_BITS = 40
"""An event's id is ``session number << 40 | seq``: eight million sessions with a million million events each."""

ASKS = {
    "approval_requested": "approval_id",
    "question_asked": "question_id",
    "plan_proposed": "approval_id",
    "recovery_decision_requested": "recovery_id",
}
"""Events that ask a person something, and the field that names the question."""
SETTLES = {
    "approval_resolved": "approval_id",
    "question_answered": "question_id",
    "plan_resolved": "approval_id",
    "recovery_decision_resolved": "recovery_id",
}
PAUSES = ("budget_exceeded", "loop_paused")
BUDGET = "budget"
"""The question that is asked by a pause that nobody wished: it is settled when the task is resumed."""
TASK_STATUS = {
    "task_started": "running",
    "task_paused": "paused",
    "task_resumed": "running",
    "task_retried": "queued",
    "task_completed": "completed",
    "task_failed": "failed",
    "task_cancelled": "cancelled",
}
MEMBERS = {"session_created": "owner", "member_joined": "user", "role_changed": "user", "member_left": "user"}
"""Events that say who is a member of the session, and the field that names the user."""
CONTROL = "control_changed"
"""The event that says who holds control of the session, in its field ``holder``."""
ENDS = frozenset({"task_completed", "task_failed", "task_cancelled"})
_TOUCH_QUESTIONS = frozenset({*ASKS, *SETTLES, *PAUSES, *ENDS, "task_resumed"})


Holders = tuple[str | None, ...] | None
"""Who may hold control of a session for something to be stored in it; by default whoever, or nobody."""


class Record(NamedTuple):
    """An event as stored. ``payload`` is its frame as JSON without ``seq``."""

    seq: int
    key: str | None
    type: str
    payload: str


@dataclass(frozen=True, slots=True)
class Blob:
    """``id`` is made of the session and the content, so that the same content is kept once."""

    id: str
    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command is answered, as JSON. ``scope`` tells the command from all others."""

    scope: str
    content: str


@dataclass(frozen=True, slots=True)
class Member:
    """Without a role it is as the member's token says; ``is_gone``: is one no more."""

    user_id: str
    role: str | None = None
    is_gone: bool = False


class NewRecord(NamedTuple):
    type: str
    key: str | None
    payload: str
    time: str
    task_id: str | None
    content: str
    blob: Blob | None = None
    """The data that is too large for the event."""
    question: str | None = None
    """The id of what the event asks or settles."""
    member: Member | None = None
    """Who is a member of the session by this event, or is not any more."""
    holder: str | None = None
    """Who holds control of the session by this event, where it says so."""
    answer: Answer | None = None
    """That of the command which makes the event, kept with it: after a crash both are there, or neither."""
    user_id: str | None = None
    """Who makes the event, where it is a person."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """``settings`` is JSON."""

    project: str
    title: str
    owner: str
    settings: str
    epoch: str
    time: str


class Batch(NamedTuple):
    """``session`` is made with its first events, unless it is there: a session without any is never seen."""

    session_id: str
    records: tuple[NewRecord, ...]
    session: NewSession | None = None
    holders: Holders = None


Appended = list[tuple[Record, bool]]
"""The stored records, and whether each is new."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    number: int
    head_seq: int
    epoch: str
    waiting: str
    """The questions that wait for a person, as JSON: a list of ``task id/question id``."""
    holder: str | None = None
    """Who holds control."""


class EventStore(Protocol):
    """Used from one thread at a time. Raises `StorageError` (``disk_full``, ``database_unavailable``)."""

    def append(self, batches: Sequence[Batch]) -> list[Appended | VgprojectError]:
        """All batches in one transaction; a batch for an unknown session, or one that somebody else holds control of,
        has its own error."""

    def session(self, session_id: str) -> StoredSession:
        """Raises `NotFoundError`."""

    def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """The last seq of each session that is there."""

    def find(self, session_id: str, key: str) -> Record | None: ...

    def read(
        self, session_id: str, *, after: int, limit: int, types: Collection[str] = (), max_bytes: int | None = None
    ) -> list[Record]:
        """In order. The first always, then those whose payloads are with it not more than ``max_bytes``."""

    def read_before(self, session_id: str, *, before: int, limit: int, max_bytes: int) -> list[Record]:
        """The last ones before the seq ``before``, in order. The last of them always, then, backwards, those whose
        payloads are with it not more than ``max_bytes``."""

    def keep_blob(self, session_id: str, blob: Blob) -> None:
        """Raises `NotFoundError` for an unknown session."""

    def blob(self, blob_id: str) -> tuple[str, bytes] | None:
        """The session it belongs to, and its content."""

    def close(self) -> None: ...


def no_such_session(session_id: str) -> NotFoundError:
    return NotFoundError(f"There is no session {session_id!r}.", code="no_such_session")


def refused_by(holder: str | None) -> ConflictError:
    """For who may not act in a session while ``holder`` holds control."""
    if holder is None:
        return ConflictError("Nobody holds control of the session now.", code="not_in_control")
    return ConflictError(
        f"{holder!r} holds control of the session: ask by request_control, or an owner of it takes it by hand_over.",
        code="control_held",
        holder=holder,
    )


def event_id(number: int, seq: int) -> int:
    return number << SEQ_BITS | seq


def to_record(row: tuple[int, str | None, str, str]) -> Record:
    """From ``id, key, type, payload``."""
    return Record(row[0] & (1 << SEQ_BITS) - 1, row[1], row[2], row[3])


# What a group commit stores, and what its events change. Pure, so that all databases agree.


class Numbering:
    """Gives the events of a group commit their seqs; one whose key is there already keeps the old one.

    ``sessions`` and ``known``, the events whose keys are in the log, by session and key, are read in the same
    transaction.
    """

    def __init__(self, sessions: Mapping[str, StoredSession], known: Mapping[tuple[str, str], Record]) -> None:
        self._sessions = sessions
        self._known = dict(known)
        self._heads = {session_id: session.head_seq for session_id, session in sessions.items()}
        self._holders = {session_id: session.holder for session_id, session in sessions.items()}
        self.fresh: defaultdict[str, list[tuple[int, NewRecord]]] = defaultdict(list)
        """The new events of each session, with their seqs."""

    def number(self, batch: Batch) -> Appended | VgprojectError:
        session_id = batch.session_id
        if session_id not in self._sessions:
            return no_such_session(session_id)
        holder = self._holders[session_id]
        if batch.holders is not None and holder not in batch.holders:
            return refused_by(holder)
        return [self._number(session_id, record) for record in batch.records]

    def _number(self, session_id: str, new: NewRecord) -> tuple[Record, bool]:
        key = new.key and stored_text(new.key)
        if key and (old := self._known.get((session_id, key))):
            return old, False
        self._heads[session_id] = seq = self._heads[session_id] + 1
        record = Record(seq, key, new.type, new.payload)
        self.fresh[session_id].append((seq, new))
        if new.type == CONTROL:
            self._holders[session_id] = new.holder
        if key:
            self._known[session_id, key] = record
        return record, True

    def rows(self) -> list[tuple[int, int, str | None, str, str]]:
        """``id, session_number, key, type, payload`` of each new event."""
        return [
            (event_id(number, seq), number, record.key and stored_text(record.key), record.type, record.payload)
            for session_id, records in self.fresh.items()
            for number in (self._sessions[session_id].number,)
            for seq, record in records
        ]


def keys_of(batches: Iterable[Batch]) -> list[tuple[str, str]]:
    """The session and key of each event that has one."""
    return [(batch.session_id, stored_text(record.key)) for batch in batches for record in batch.records if record.key]


def stored_text(value: str) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return value.replace("\0", "")


@dataclass(frozen=True, slots=True)
class SessionChange:
    head_seq: int
    updated_at: str
    waiting: str
    holder: str | None


@dataclass(frozen=True, slots=True)
class QueuedTask:
    task_id: str | None
    content: str
    seq: int
    time: str
    queued_by: str | None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """``queued_seq`` is set where the task is queued again: one attempt more, of whoever queued it."""

    task_id: str | None
    status: str
    ended_at: str | None
    queued_seq: int | None
    queued_by: str | None


def session_change(session: StoredSession, records: Sequence[tuple[int, NewRecord]]) -> SessionChange:
    """What these events, with their seqs, say of their session."""
    seq, last = records[-1]
    held = [record.holder for _, record in records if record.type == CONTROL]
    holder = held[-1] if held else session.holder
    if all(record.type not in _TOUCH_QUESTIONS for _, record in records):
        return SessionChange(seq, last.time, session.waiting, holder)
    waiting: list[str] = json.loads(session.waiting)
    for _, record in records:
        waiting = waiting_after(waiting, record)
    return SessionChange(seq, last.time, json.dumps(waiting), holder)


def waiting_after(waiting: list[str], record: NewRecord) -> list[str]:
    """The questions that wait for a person after this event; those of a task end with it."""
    question = f"{record.task_id}/{record.question or BUDGET}"
    if record.type in ASKS or record.type in PAUSES:
        return [*waiting, question]
    if record.type in SETTLES or record.type == "task_resumed":
        return [other for other in waiting if other != question]
    if record.type in ENDS:
        return [other for other in waiting if not other.startswith(f"{record.task_id}/")]
    return waiting


def member_of(event_type: str, data: Mapping[str, Any]) -> Member | None:
    """Who is a member by an event with this data."""
    if event_type not in MEMBERS:
        return None
    user_id = stored_text(str(data[MEMBERS[event_type]]))
    if event_type == "session_created":
        return Member(user_id, "owner")
    return Member(user_id, data.get("role"), is_gone=event_type == "member_left")


def member_changes(records: Iterable[tuple[int, NewRecord]]) -> list[Member]:
    """What these events say of members, in order."""
    return [record.member for _, record in records if record.member]


def task_changes(records: Iterable[tuple[int, NewRecord]]) -> list[QueuedTask | TaskChange]:
    """What these events say of tasks, in order."""
    changes: list[QueuedTask | TaskChange] = []
    for seq, record in records:
        if record.type == "task_queued":
            content = stored_text(record.content)
            changes.append(QueuedTask(record.task_id, content, seq, record.time, _user_of(record)))
        elif status := TASK_STATUS.get(record.type):
            ended_at = record.time if record.type in ENDS else None
            is_queued = record.type == "task_retried"
            queued_seq, queued_by = (seq, _user_of(record)) if is_queued else (None, None)
            changes.append(TaskChange(record.task_id, status, ended_at, queued_seq, queued_by))
    return changes


def _user_of(record: NewRecord) -> str | None:
    return record.user_id and stored_text(record.user_id)
