"""The events' rows on the plain sqlite3 driver: one transaction for all that waits, in one writer thread.

SQLAlchemy is too slow for one commit an event; a group commit through the driver is not. The same transaction
keeps what sessions and tasks show of their events: head, open questions, status.
"""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from vgproject.errors import NotFoundError, UnavailableError, VgprojectError

SEQ_BITS = 40

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
class NewRecord:
    type: str
    key: str | None
    payload: str
    time: str
    task_id: str | None
    content: str
    blobs: tuple[tuple[str, str, bytes], ...] = ()
    """(id, sha256, content) of data that is too large for the event."""


@dataclass(frozen=True, slots=True)
class Batch:
    session_id: str
    records: tuple[NewRecord, ...]


Appended = list[tuple[Record, bool]]
"""The stored records, and whether each is new."""


class SqliteEventStore:
    """Used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            self._connection.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        self._connection.close()

    def append(self, batches: Sequence[Batch]) -> list[Appended | VgprojectError]:
        """All batches in one transaction; a batch for an unknown session has its own error."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [self._append(batch) for batch in batches]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [_unavailable(error) for _ in batches]
        return results

    def _append(self, batch: Batch) -> Appended | VgprojectError:
        found = self._session(batch.session_id)
        if found is None:
            return NotFoundError(f"There is no session {batch.session_id!r}.", code="no_such_session")
        number, head, _ = found
        appended: Appended = []
        for record in batch.records:
            if record.key and (old := self._find(number, record.key)):
                appended.append((old, False))
                continue
            head += 1
            self._connection.execute(
                "INSERT INTO events (id, session_number, key, type, payload) VALUES (?, ?, ?, ?, ?)",
                (number << SEQ_BITS | head, number, record.key, record.type, record.payload),
            )
            self._project(batch.session_id, head, record)
            appended.append((Record(head, record.key, record.type, record.payload), True))
        return appended

    def _project(self, session_id: str, seq: int, record: NewRecord) -> None:
        execute = self._connection.execute
        for blob_id, sha256, content in record.blobs:
            execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)", (blob_id, session_id, sha256, content))
        moment = record.time.replace("T", " ").removesuffix("Z") + "000"
        execute(
            "UPDATE sessions SET head_seq = ?, updated_at = ?, waiting = ? * (waiting + ?) WHERE id = ?",
            (seq, moment, record.type not in ENDS, WAITING.get(record.type, 0), session_id),
        )
        if record.type == "task_queued":
            execute(
                "INSERT INTO tasks (id, session_id, status, content, attempt, queued_seq, created_at)"
                " VALUES (?, ?, 'queued', ?, 1, ?, ?)",
                (record.task_id, session_id, record.content, seq, moment),
            )
        elif status := TASK_STATUS.get(record.type):
            ended = moment if record.type in ENDS else None
            execute("UPDATE tasks SET status = ?, ended_at = ? WHERE id = ?", (status, ended, record.task_id))
            if record.type == "task_retried":
                execute("UPDATE tasks SET attempt = attempt + 1, queued_seq = ? WHERE id = ?", (seq, record.task_id))

    def _session(self, session_id: str) -> tuple[int, int, str] | None:
        query = "SELECT number, head_seq, epoch FROM sessions WHERE id = ?"
        found: tuple[int, int, str] | None = self._connection.execute(query, (session_id,)).fetchone()
        return found

    def _find(self, number: int, key: str) -> Record | None:
        query = "SELECT id, key, type, payload FROM events WHERE session_number = ? AND key = ?"
        row = self._connection.execute(query, (number, key)).fetchone()
        return _record(row) if row else None

    def session(self, session_id: str) -> tuple[int, int, str]:
        """Number, head and epoch. Raises `NotFoundError`."""
        if found := self._session(session_id):
            return found
        raise NotFoundError(f"There is no session {session_id!r}.", code="no_such_session")

    def find(self, session_id: str, key: str) -> Record | None:
        return self._find(self.session(session_id)[0], key)

    def read(self, session_id: str, *, after: int, limit: int, types: Collection[str] = ()) -> list[Record]:
        first = self.session(session_id)[0] << SEQ_BITS
        of_types = f"AND type IN ({', '.join('?' * len(types))})" if types else ""
        query = f"SELECT id, key, type, payload FROM events WHERE id > ? AND id < ? {of_types} ORDER BY id LIMIT ?"
        rows = self._connection.execute(query, (first | after, first + (1 << SEQ_BITS), *types, limit))
        return [_record(row) for row in rows]

    def put_blob(self, blob_id: str, session_id: str, sha256: str, content: bytes) -> None:
        try:
            self._connection.execute("INSERT INTO blobs VALUES (?, ?, ?, ?)", (blob_id, session_id, sha256, content))
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    def blob(self, blob_id: str) -> tuple[str, bytes] | None:
        """The session it belongs to, and its content."""
        query = "SELECT session_id, content FROM blobs WHERE id = ?"
        found: tuple[str, bytes] | None = self._connection.execute(query, (blob_id,)).fetchone()
        return found


def _record(row: tuple[int, str | None, str, str]) -> Record:
    return Record(row[0] & (1 << SEQ_BITS) - 1, row[1], row[2], row[3])


def _unavailable(error: sqlite3.Error) -> UnavailableError:
    if "full" in str(error):
        return UnavailableError("The disk is full: nothing was stored.", code="disk_full")
    return UnavailableError(f"The database does not take events: {error}", code="database_unavailable")
