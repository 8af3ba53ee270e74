"""The event log in a SQLite file, on the plain driver."""

import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vgproject.errors import VgprojectError
from vgproject.repositories.event_store import (
    SEQ_BITS,
    Appended,
    Batch,
    Blob,
    NewRecord,
    QueuedTask,
    Record,
    StoredSession,
    event_id,
    no_such_session,
    session_change,
    task_changes,
    to_record,
)
from vgproject.repositories.failures import unavailable

CHECKPOINT_SECONDS = 0.25
INSERT_EVENT = (
    "INSERT INTO events (id, session_number, key, type, payload) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (session_number, key) WHERE key IS NOT NULL DO NOTHING"
)
FIND_EVENT = "SELECT id, key, type, payload FROM events WHERE session_number = ? AND key = ?"


class SqliteEventStore:
    """``synchronous`` is FULL, or NORMAL: faster, and may lose the last commits when the power fails."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in (
            "page_size=8192",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "busy_timeout=30000",
            "wal_autocheckpoint=0",
        ):
            self._connection.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        self._connection.close()

    def append(self, batches: Sequence[Batch]) -> list[Appended | VgprojectError]:
        with self._transaction():
            return [self._append(batch) for batch in batches]

    def _append(self, batch: Batch) -> Appended | VgprojectError:
        found = self._session(batch.session_id)
        if found is None:
            return no_such_session(batch.session_id)
        appended: Appended = []
        fresh: list[tuple[int, NewRecord]] = []
        seq = found.head_seq
        for record in batch.records:
            values = (event_id(found.number, seq + 1), found.number, record.key, record.type, record.payload)
            if not self._connection.execute(INSERT_EVENT, values).rowcount:
                [row] = self._rows(FIND_EVENT, (found.number, record.key))
                appended.append((to_record(row), False))
                continue
            seq += 1
            fresh.append((seq, record))
            appended.append((Record(seq, record.key, record.type, record.payload), True))
        if fresh:
            self._project(batch.session_id, fresh)
        return appended

    def _project(self, session_id: str, records: Sequence[tuple[int, NewRecord]]) -> None:
        execute = self._connection.execute
        session = session_change(records)
        execute(
            "UPDATE sessions SET head_seq = ?, updated_at = ?, waiting = waiting * ? + ? WHERE id = ?",
            (session.head_seq, _moment(session.updated_at), session.keep, session.add, session_id),
        )
        for _, record in records:
            if record.blob:
                self._keep_blob(session_id, record.blob)
        for change in task_changes(records):
            if isinstance(change, QueuedTask):
                execute(
                    "INSERT INTO tasks (id, session_id, status, content, attempt, queued_seq, created_at)"
                    " VALUES (?, ?, 'queued', ?, 1, ?, ?)",
                    (change.task_id, session_id, change.content, change.seq, _moment(change.time)),
                )
            else:
                execute(
                    "UPDATE tasks SET status = ?, ended_at = ?, attempt = attempt + (? IS NOT NULL),"
                    " queued_seq = coalesce(?, queued_seq) WHERE id = ?",
                    (
                        change.status,
                        _moment(change.ended_at),
                        change.queued_seq,
                        change.queued_seq,
                        change.task_id,
                    ),
                )

    def keep_blob(self, session_id: str, blob: Blob) -> None:
        with self._transaction():
            if self._session(session_id) is None:
                raise no_such_session(session_id)
            self._keep_blob(session_id, blob)

    def _keep_blob(self, session_id: str, blob: Blob) -> None:
        query = "INSERT OR IGNORE INTO blobs (id, session_id, sha256, content) VALUES (?, ?, ?, ?)"
        self._connection.execute(query, (blob.id, session_id, blob.sha256, blob.content))

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
        rows = self._rows("SELECT number, head_seq, epoch FROM sessions WHERE id = ?", (session_id,))
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

    def read(self, session_id: str, *, after: int, limit: int, types: Collection[str] = ()) -> list[Record]:
        first = event_id(self.session(session_id).number, 0)
        of_types = f"AND type IN ({', '.join('?' * len(types))})" if types else ""
        query = f"SELECT id, key, type, payload FROM events WHERE id > ? AND id < ? {of_types} ORDER BY id LIMIT ?"
        return [to_record(row) for row in self._rows(query, (first + after, first + (1 << SEQ_BITS), *types, limit))]

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


def _moment(time: str | None) -> str | None:
    """As SQLAlchemy writes a time into SQLite."""
    return time.replace("T", " ").removesuffix("Z") + "000" if time else None
