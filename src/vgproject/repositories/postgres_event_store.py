"""The event log in PostgreSQL, on the plain driver. Several processes may write the same session."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import psycopg

from vgproject.errors import VgprojectError
from vgproject.repositories.database_url import DatabaseUrl
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

Connection = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

LOCK_SESSIONS = "SELECT id, number, head_seq, epoch FROM sessions WHERE id = ANY(%s) ORDER BY number FOR NO KEY UPDATE"
"""Who holds a session's row gives its next seqs, and lets go of it by committing them: the order of the locks is the
order of the commits, so that no reader ever sees a hole. All take them in the same order, so that none wait in a ring."""
FIND_EVENTS = (
    "SELECT s.id, e.id, e.key, e.type, e.payload FROM unnest(%s::text[], %s::text[]) AS wanted(session_id, key)"
    " JOIN sessions s ON s.id = wanted.session_id"
    " JOIN events e ON e.session_number = s.number AND e.key = wanted.key"
)
INSERT_EVENTS = (
    "INSERT INTO events (id, session_number, key, type, payload)"
    " SELECT * FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[], %s::text[])"
)
UPDATE_SESSION = "UPDATE sessions SET head_seq = %s, updated_at = %s, waiting = waiting * %s + %s WHERE id = %s"
INSERT_TASK = (
    "INSERT INTO tasks (id, session_id, status, content, attempt, queued_seq, created_at)"
    " VALUES (%s, %s, 'queued', %s, 1, %s, %s)"
)
UPDATE_TASK = (
    "UPDATE tasks SET status = %s, ended_at = %s, attempt = attempt + %s, queued_seq = coalesce(%s, queued_seq)"
    " WHERE id = %s"
)
INSERT_BLOB = (
    "INSERT INTO blobs (id, session_id, sha256, content) SELECT %s, id, %s, %s FROM sessions WHERE id = %s"
    " ON CONFLICT (id) DO NOTHING"
)


class PostgresEventStore:
    """Connects when it is first used, and again after the server was away."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._connection: Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def append(self, batches: Sequence[Batch]) -> list[Appended | VgprojectError]:
        return self._run(lambda connection: _Group(connection, batches).append())

    def session(self, session_id: str) -> StoredSession:
        query = "SELECT number, head_seq, epoch FROM sessions WHERE id = %s"
        for row in self._rows(query, (_text(session_id),)):
            return StoredSession(*row)
        raise no_such_session(session_id)

    def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        return dict(self._rows("SELECT id, head_seq FROM sessions WHERE id = ANY(%s)", (list(session_ids),)))

    def find(self, session_id: str, key: str) -> Record | None:
        number = self.session(session_id).number
        query = "SELECT id, key, type, payload FROM events WHERE session_number = %s AND key = %s"
        rows = self._rows(query, (number, _text(key)))
        return to_record(rows[0]) if rows else None

    def read(self, session_id: str, *, after: int, limit: int, types: Collection[str] = ()) -> list[Record]:
        first = event_id(self.session(session_id).number, 0)
        query = (
            "SELECT id, key, type, payload FROM events WHERE id > %s AND id < %s"
            f" {'AND type = ANY(%s)' if types else ''} ORDER BY id LIMIT %s"
        )
        bounds: list[object] = [first + after, first + (1 << SEQ_BITS)]
        values = [*bounds, list(types), limit] if types else [*bounds, limit]
        return [to_record(row) for row in self._rows(query, values)]

    def keep_blob(self, session_id: str, blob: Blob) -> None:
        self.session(session_id)
        self._run(lambda connection: connection.execute(INSERT_BLOB, _blob_values(session_id, blob)))

    def blob(self, blob_id: str) -> tuple[str, bytes] | None:
        rows = self._rows("SELECT session_id, content FROM blobs WHERE id = %s", (_text(blob_id),))
        return (rows[0][0], bytes(rows[0][1])) if rows else None

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        return self._run(lambda connection: connection.execute(query.encode(), values).fetchall())

    def _run(self, work: Callable[[Connection], Result]) -> Result:
        try:
            return work(self._connect())
        except psycopg.Error as error:
            if self._connection is not None and self._connection.broken:
                self.close()
            raise unavailable(error) from error

    def _connect(self) -> Connection:
        """The open connection where it still answers; the server may have been started anew since it was used."""
        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.execute("")
            except psycopg.OperationalError:
                self.close()
            else:
                return self._connection
        self._connection = psycopg.connect(self._url.for_driver, autocommit=True, connect_timeout=5)
        return self._connection


class _Group:
    """One group commit: all batches in one transaction and three round trips."""

    def __init__(self, connection: Connection, batches: Sequence[Batch]) -> None:
        self._connection = connection
        self._batches = batches
        self._sessions: dict[str, StoredSession] = {}
        self._known: dict[tuple[str, str], Record] = {}
        self._heads: dict[str, int] = {}
        self._fresh: defaultdict[str, list[tuple[int, NewRecord]]] = defaultdict(list)

    def append(self) -> list[Appended | VgprojectError]:
        with self._connection.transaction():
            self._lock_sessions()
            results = [self._number(batch) for batch in self._batches]
            if self._fresh:
                with self._connection.pipeline():
                    self._insert_events()
                    self._project()
        return results

    def _lock_sessions(self) -> None:
        """And find the events whose keys are there; asked after the locks are held, so none can come in between."""
        session_ids = sorted({_text(batch.session_id) for batch in self._batches})
        keys = [(batch.session_id, record.key) for batch in self._batches for record in batch.records if record.key]
        for session_id, *columns in self._connection.execute(LOCK_SESSIONS, (session_ids,)):
            self._sessions[session_id] = StoredSession(*columns)
            self._heads[session_id] = columns[1]
        if keys:
            wanted = tuple(list(map(_text, column)) for column in zip(*keys, strict=True))
            for session_id, *columns in self._connection.execute(FIND_EVENTS, wanted):
                record = to_record((columns[0], columns[1], columns[2], columns[3]))
                self._known[session_id, str(record.key)] = record

    def _number(self, batch: Batch) -> Appended | VgprojectError:
        session_id = batch.session_id
        if session_id not in self._sessions:
            return no_such_session(session_id)
        appended: Appended = []
        for new in batch.records:
            if new.key and (old := self._known.get((session_id, _text(new.key)))):
                appended.append((old, False))
                continue
            self._heads[session_id] = seq = self._heads[session_id] + 1
            record = Record(seq, new.key, new.type, new.payload)
            self._fresh[session_id].append((seq, new))
            if new.key:
                self._known[session_id, _text(new.key)] = record
            appended.append((record, True))
        return appended

    def _insert_events(self) -> None:
        rows = [
            (event_id(number, seq), number, record.key and _text(record.key), record.type, record.payload)
            for session_id, records in self._fresh.items()
            for number in (self._sessions[session_id].number,)
            for seq, record in records
        ]
        self._connection.execute(INSERT_EVENTS, [list(column) for column in zip(*rows, strict=True)])

    def _project(self) -> None:
        """In a pipeline: nothing is waited for until its end."""
        execute = self._connection.execute
        for session_id, records in self._fresh.items():
            change = session_change(records)
            execute(UPDATE_SESSION, (change.head_seq, change.updated_at, change.keep, change.add, session_id))
            for _, record in records:
                if record.blob:
                    execute(INSERT_BLOB, _blob_values(session_id, record.blob))
            for task in task_changes(records):
                if isinstance(task, QueuedTask):
                    execute(INSERT_TASK, (task.task_id, session_id, task.content, task.seq, task.time))
                else:
                    again = int(task.queued_seq is not None)
                    execute(UPDATE_TASK, (task.status, task.ended_at, again, task.queued_seq, task.task_id))


def _blob_values(session_id: str, blob: Blob) -> tuple[object, ...]:
    return blob.id, blob.sha256, blob.content, session_id


def _text(value: str) -> str:
    """PostgreSQL keeps no NUL in a text."""
    return value.replace("\0", "")
