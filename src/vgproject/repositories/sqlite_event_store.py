"""The event log in a SQLite file, on the plain driver."""

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from vgproject.errors import VgprojectError
from vgproject.repositories.event_store import (
    SEQ_BITS,
    Appended,
    Batch,
    Blob,
    NewRecord,
    NewSession,
    Numbering,
    QueuedTask,
    Record,
    StoredSession,
    TaskChange,
    event_id,
    keys_of,
    member_changes,
    no_such_session,
    session_change,
    task_changes,
    to_record,
)
from vgproject.repositories.failures import unavailable

Value = TypeVar("Value")

CHECKPOINT_SECONDS = 0.25
MAX_WAL_PAGES = 4_000
"""Where the writer moves them into the file itself: under a load without a pause the thread that does it otherwise never
comes to the end of the WAL, and only from there it begins anew."""
INSERT_EVENTS = "INSERT INTO events (id, session_number, key, type, payload) VALUES (?, ?, ?, ?, ?)"
UPDATE_SESSIONS = "UPDATE sessions SET head_seq = ?, updated_at = ?, waiting = ?, holder = ? WHERE number = ?"
INSERT_BLOBS = "INSERT OR IGNORE INTO blobs (id, session_id, sha256, content) VALUES (?, ?, ?, ?)"
INSERT_ANSWERS = "INSERT OR IGNORE INTO commands (scope, session_id, answer) VALUES (?, ?, ?)"
PUT_MEMBER = "INSERT OR REPLACE INTO members (session_id, user_id, role) VALUES (?, ?, ?)"
DELETE_MEMBER = "DELETE FROM members WHERE session_id = ? AND user_id = ?"
INSERT_SESSION = (
    "INSERT OR IGNORE INTO sessions"
    " (id, project, title, owner, settings, epoch, head_seq, waiting, created_at, updated_at)"
    " VALUES (?, ?, ?, ?, ?, ?, 0, '[]', ?, ?)"
)
INSERT_TASK = (
    "INSERT INTO tasks (id, session_id, status, content, attempt, queued_seq, created_at, queued_by)"
    " VALUES (?, ?, 'queued', ?, 1, ?, ?, ?)"
)
UPDATE_TASK = (
    "UPDATE tasks SET status = ?, ended_at = ?, attempt = attempt + (? IS NOT NULL),"
    " queued_seq = coalesce(?, queued_seq), queued_by = coalesce(?, queued_by) WHERE id = ?"
)
FIND_EVENT = "SELECT id, key, type, payload FROM events WHERE session_number = ? AND key = ?"


class SqliteEventStore:
    """``synchronous`` is FULL, or NORMAL: faster, and may lose the last commits when the power fails.

    Raises `StorageError` where the file cannot be opened.
    """

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        pragmas = ("page_size=8192", "journal_mode=WAL", f"synchronous={synchronous}", "busy_timeout=30000")
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in (*pragmas, f"wal_autocheckpoint={MAX_WAL_PAGES}"):
                self._connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def close(self) -> None:
        self._connection.close()

    def append(self, batches: Sequence[Batch]) -> list[Appended | VgprojectError]:
        with self._transaction():
            self._execute_many(INSERT_SESSION, [_session_values(*made) for made in _made_sessions(batches)])
            sessions = self._sessions_of(batches)
            numbering = Numbering(sessions, self._known_of(batches))
            results = [numbering.number(batch) for batch in batches]
            self._execute_many(INSERT_EVENTS, numbering.rows())
            self._project(sessions, numbering.fresh)
        return results

    def _sessions_of(self, batches: Sequence[Batch]) -> dict[str, StoredSession]:
        sessions: dict[str, StoredSession] = {}
        for ids in _chunks(list({batch.session_id for batch in batches})):
            marks = ", ".join("?" * len(ids))
            query = f"SELECT id, number, head_seq, epoch, waiting, holder FROM sessions WHERE id IN ({marks})"
            sessions |= {row[0]: StoredSession(*row[1:]) for row in self._rows(query, ids)}
        return sessions

    def _known_of(self, batches: Sequence[Batch]) -> dict[tuple[str, str], Record]:
        known: dict[tuple[str, str], Record] = {}
        for keys in _chunks(keys_of(batches)):
            query = (
                f"WITH wanted (session_id, key) AS (VALUES {', '.join(['(?, ?)'] * len(keys))})"
                " SELECT s.id, e.id, e.key, e.type, e.payload FROM wanted CROSS JOIN sessions s ON s.id = session_id"
                " CROSS JOIN events e ON e.session_number = s.number AND e.key = wanted.key"
            )
            for session_id, *row in self._rows(query, [value for key in keys for value in key]):
                known[session_id, row[1]] = to_record((row[0], row[1], row[2], row[3]))
        return known

    def _project(
        self, sessions: Mapping[str, StoredSession], fresh: Mapping[str, Sequence[tuple[int, NewRecord]]]
    ) -> None:
        changes = [(sessions[id_].number, session_change(sessions[id_], records)) for id_, records in fresh.items()]
        self._execute_many(
            UPDATE_SESSIONS,
            [(to.head_seq, _moment(to.updated_at), to.waiting, to.holder, number) for number, to in changes],
        )
        new = [(session_id, record) for session_id, records in fresh.items() for _, record in records]
        self._execute_many(INSERT_BLOBS, [_blob_values(id_, record.blob) for id_, record in new if record.blob])
        kept = [(record.answer.scope, id_, record.answer.content) for id_, record in new if record.answer]
        self._execute_many(INSERT_ANSWERS, kept)
        for session_id, records in fresh.items():
            for member in member_changes(records):
                whose = (session_id, member.user_id)
                if member.is_gone:
                    self._connection.execute(DELETE_MEMBER, whose)
                else:
                    self._connection.execute(PUT_MEMBER, (*whose, member.role))
            for change in task_changes(records):
                self._change_task(session_id, change)

    def _execute_many(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            self._connection.executemany(statement, rows)

    def _change_task(self, session_id: str, change: QueuedTask | TaskChange) -> None:
        if isinstance(change, QueuedTask):
            queued = (change.task_id, session_id, change.content, change.seq, _moment(change.time), change.queued_by)
            self._connection.execute(INSERT_TASK, queued)
        else:
            again = change.queued_seq
            changed = (change.status, _moment(change.ended_at), again, again, change.queued_by, change.task_id)
            self._connection.execute(UPDATE_TASK, changed)

    def keep_blob(self, session_id: str, blob: Blob) -> None:
        with self._transaction():
            if self._session(session_id) is None:
                raise no_such_session(session_id)
            self._connection.execute(INSERT_BLOBS, _blob_values(session_id, blob))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing: an error of the database, as any other, leaves no open transaction."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise unavailable(error) from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def _session(self, session_id: str) -> StoredSession | None:
        rows = self._rows("SELECT number, head_seq, epoch, waiting, holder FROM sessions WHERE id = ?", (session_id,))
        return StoredSession(*rows[0]) if rows else None

    def session(self, session_id: str) -> StoredSession:
        if found := self._session(session_id):
            return found
        raise no_such_session(session_id)

    def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        marks = ", ".join("?" * len(session_ids))
        return dict(self._rows(f"SELECT id, head_seq FROM sessions WHERE id IN ({marks})", tuple(session_ids)))

    def find(self, session_id: str, key: str) -> Record | None:
        rows = self._rows(FIND_EVENT, (self.session(session_id).number, key))
        return to_record(rows[0]) if rows else None

    def read(
        self, session_id: str, *, after: int, limit: int, types: Collection[str] = (), max_bytes: int | None = None
    ) -> list[Record]:
        first = event_id(self.session(session_id).number, 0)
        of_types = f"AND type IN ({', '.join('?' * len(types))})" if types else ""
        query = f"SELECT id, key, type, payload FROM events WHERE id > ? AND id < ? {of_types} ORDER BY id LIMIT ?"
        values = (first + after, first + (1 << SEQ_BITS), *types, limit)
        if max_bytes is None:
            return [to_record(row) for row in self._rows(query, values)]
        return self._read_up_to(max_bytes, query, values)

    def read_before(self, session_id: str, *, before: int, limit: int, max_bytes: int) -> list[Record]:
        first = event_id(self.session(session_id).number, 0)
        query = "SELECT id, key, type, payload FROM events WHERE id > ? AND id < ? ORDER BY id DESC LIMIT ?"
        values = (first, first + min(before, 1 << SEQ_BITS), limit)
        return self._read_up_to(max_bytes, query, values)[::-1]

    def _read_up_to(self, max_bytes: int, query: str, values: Sequence[object]) -> list[Record]:
        records: list[Record] = []
        total = 0
        try:
            with closing(self._connection.execute(query, values)) as rows:
                for record in map(to_record, rows):
                    total += len(record.payload.encode())
                    if records and total > max_bytes:
                        break
                    records.append(record)
        except sqlite3.Error as error:
            raise unavailable(error) from error
        return records

    def blob(self, blob_id: str) -> tuple[str, bytes] | None:
        rows = self._rows("SELECT session_id, content FROM blobs WHERE id = ?", (blob_id,))
        return rows[0] if rows else None


class SqliteCheckpointer:
    """A thread that moves what is in the WAL into the file, so that no commit has to wait for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpointer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        while not self._stop.wait(CHECKPOINT_SECONDS):
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error:
                # A full disk or a locked file: the writer says so, and the next round tries again.
                continue
        connection.close()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def _blob_values(session_id: str, blob: Blob) -> tuple[object, ...]:
    return blob.id, session_id, blob.sha256, blob.content


def _made_sessions(batches: Sequence[Batch]) -> Iterator[tuple[str, NewSession]]:
    return ((batch.session_id, batch.session) for batch in batches if batch.session)


def _session_values(session_id: str, new: NewSession) -> tuple[object, ...]:
    time = _moment(new.time)
    return session_id, new.project, new.title, new.owner, new.settings, new.epoch, time, time


def _chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """A statement takes a limited number of values."""
    return (values[start : start + 1_000] for start in range(0, len(values), 1_000))


def _moment(time: str | None) -> str | None:
    """As SQLAlchemy writes a time into SQLite."""
    return time.replace("T", " ").removesuffix("Z") + "000" if time else None
