"""What the event log needs of a database, and what events say of their session and its tasks.

Append and read are written on the plain drivers: one commit an event through SQLAlchemy is too slow, a group commit is
not. The same transaction keeps what sessions and tasks show of their events: head, open questions, status.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vgproject.errors import NotFoundError, VgprojectError

SEQ_BITS = 40
"""An event's id is ``session number << 40 | seq``: eight million sessions with a million million events each."""

WAITING = {
    "approval_requested": 1,
    "approval_resolved": -1,
    "recovery_decision_requested": 1,
    "recovery_decision_resolved": -1,
    "budget_exceeded": 0,
}
TASK_STATUS = {
    "task_started": "running",
    "task_recovered": "running",
    "task_paused": "paused",
    "task_resumed": "running",
    "task_retried": "queued",
    "task_completed": "completed",
    "task_failed": "failed",
    "task_cancelled": "cancelled",
}
ENDS = frozenset({"task_completed", "task_failed", "task_cancelled"})


@dataclass(frozen=True, slots=True)
class Record:
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
class NewRecord:
    type: str
    key: str | None
    payload: str
    time: str
    task_id: str | None
    content: str
    blob: Blob | None = None
    """The data that is too large for the event."""


@dataclass(frozen=True, slots=True)
class Batch:
    session_id: str
    records: tuple[NewRecord, ...]


Appended = list[tuple[Record, bool]]
"""The stored records, and whether each is new."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    number: int
    head_seq: int
    epoch: str


class EventStore(Protocol):
    """Used from one thread at a time. Raises `UnavailableError` (``disk_full``, ``database_unavailable``)."""

    def append(self, batches: Sequence[Batch]) -> list[Appended | VgprojectError]:
        """All batches in one transaction; a batch for an unknown session has its own error."""

    def session(self, session_id: str) -> StoredSession:
        """Raises `NotFoundError`."""

    def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """The last seq of each session that is there."""

    def find(self, session_id: str, key: str) -> Record | None: ...

    def read(self, session_id: str, *, after: int, limit: int, types: Collection[str] = ()) -> list[Record]: ...

    def keep_blob(self, session_id: str, blob: Blob) -> None:
        """Raises `NotFoundError` for an unknown session."""

    def blob(self, blob_id: str) -> tuple[str, bytes] | None:
        """The session it belongs to, and its content."""

    def close(self) -> None: ...


def no_such_session(session_id: str) -> NotFoundError:
    return NotFoundError(f"There is no session {session_id!r}.", code="no_such_session")


def event_id(number: int, seq: int) -> int:
    return number << SEQ_BITS | seq


def to_record(row: tuple[int, str | None, str, str]) -> Record:
    """From ``id, key, type, payload``."""
    return Record(row[0] & (1 << SEQ_BITS) - 1, row[1], row[2], row[3])


# What events change. Pure, so that all databases agree.


@dataclass(frozen=True, slots=True)
class SessionChange:
    """``waiting`` becomes ``waiting * keep + add``."""

    head_seq: int
    updated_at: str
    keep: int
    add: int


@dataclass(frozen=True, slots=True)
class QueuedTask:
    task_id: str | None
    content: str
    seq: int
    time: str


@dataclass(frozen=True, slots=True)
class TaskChange:
    """``queued_seq`` is set where the task is queued again: one attempt more."""

    task_id: str | None
    status: str
    ended_at: str | None
    queued_seq: int | None


def session_change(records: Sequence[tuple[int, NewRecord]]) -> SessionChange:
    """What these events, with their seqs, say of their session: how many questions wait; none after a task's end."""
    keep, add = 1, 0
    for _, record in records:
        if record.type in ENDS:
            keep, add = 0, 0
        else:
            add += WAITING.get(record.type, 0)
    seq, last = records[-1]
    return SessionChange(seq, last.time, keep, add)


def task_changes(records: Iterable[tuple[int, NewRecord]]) -> list[QueuedTask | TaskChange]:
    """What these events say of tasks, in order."""
    changes: list[QueuedTask | TaskChange] = []
    for seq, record in records:
        if record.type == "task_queued":
            # PostgreSQL keeps no NUL in a text.
            changes.append(QueuedTask(record.task_id, record.content.replace("\0", ""), seq, record.time))
        elif status := TASK_STATUS.get(record.type):
            ended_at = record.time if record.type in ENDS else None
            queued_seq = seq if record.type == "task_retried" else None
            changes.append(TaskChange(record.task_id, status, ended_at, queued_seq))
    return changes
