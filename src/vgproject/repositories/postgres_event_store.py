"""The event log in PostgreSQL, on the plain driver. Several processes may write the same session."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, TypeVar

import psycopg

from vgproject.errors import VgprojectError
from vgproject.repositories.database_url import DatabaseUrl
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
    event_id,
    keys_of,
    member_changes,
    no_such_session,
    session_change,
    stored_text,
    task_changes,
    to_record,
)
from vgproject.repositories.failures import unavailable

Connection = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

LOCK_SESSIONS = (
    "SELECT id, number, head_seq, epoch, waiting, holder FROM sessions WHERE id = ANY(%s)"
    " ORDER BY number FOR NO KEY UPDATE"
)
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
UPDATE_SESSIONS = (
    "UPDATE sessions SET head_seq = new.head_seq, updated_at = new.updated_at, waiting = new.waiting,"
    " holder = new.holder FROM unnest(%s::int[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[])"
    " AS new(number, head_seq, updated_at, waiting, holder)"
    " WHERE sessions.number = new.number"
)
INSERT_SESSION = (
    "INSERT INTO sessions (id, project, title, owner, settings, epoch, head_seq, waiting, created_at, updated_at)"
    " VALUES (%s, %s, %s, %s, %s::json, %s, 0, '[]', %s, %s) ON CONFLICT (id) DO NOTHING"
)
INSERT_TASK = (
    "INSERT INTO tasks (id, session_id, status, content, attempt, queued_seq, created_at, queued_by)"
    " VALUES (%s, %s, 'queued', %s, 1, %s, %s, %s)"
)
UPDATE_TASK = (
    "UPDATE tasks SET status = %s, ended_at = %s, attempt = attempt + %s, queued_seq = coalesce(%s, queued_seq),"
    " queued_by = coalesce(%s, queued_by) WHERE id = %s"
)
INSERT_BLOB = (
    "INSERT INTO blobs (id, session_id, sha256, content) SELECT %s, id, %s, %s FROM sessions WHERE id = %s"
    " ON CONFLICT (id) DO NOTHING"
)
PUT_MEMBER = (
    "INSERT INTO members (session_id, user_id, role) VALUES (%s, %s, %s)"
    " ON CONFLICT (session_id, user_id) DO UPDATE SET role = excluded.role"
)
DELETE_MEMBER = "DELETE FROM members WHERE session_id = %s AND user_id = %s"
INSERT_ANSWER = "INSERT INTO commands (scope, session_id, answer) VALUES (%s, %s, %s::json) ON CONFLICT DO NOTHING"


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
        query = "SELECT number, head_seq, epoch, waiting, holder FROM sessions WHERE id = %s"
        for row in self._rows(query, (stored_text(session_id),)):
            return StoredSession(*row)
        raise no_such_session(session_id)

    def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        return dict(self._rows("SELECT id, head_seq FROM sessions WHERE id = ANY(%s)", (list(session_ids),)))

    def find(self, session_id: str, key: str) -> Record | None:
        number = self.session(session_id).number
        query = "SELECT id, key, type, payload FROM events WHERE session_number = %s AND key = %s"
        rows = self._rows(query, (number, stored_text(key)))
        return to_record(rows[0]) if rows else None

    def read(
        self, session_id: str, *, after: int, limit: int, types: Collection[str] = (), max_bytes: int | None = None
    ) -> list[Record]:
        first = event_id(self.session(session_id).number, 0)
        values = [
            first + after,
            first + (1 << SEQ_BITS),
            *([list(types)] if types else []),
            limit,
            max_bytes,
            max_bytes,
        ]
        return [to_record(row) for row in self._rows(_page("ASC", of_types=bool(types)), values)]

    def read_before(self, session_id: str, *, before: int, limit: int, max_bytes: int) -> list[Record]:
        first = event_id(self.session(session_id).number, 0)
        values = [first, first + min(before, 1 << SEQ_BITS), limit, max_bytes, max_bytes]
        return [to_record(row) for row in self._rows(_page("DESC"), values)]

    def keep_blob(self, session_id: str, blob: Blob) -> None:
        self.session(session_id)
        self._run(lambda connection: connection.execute(INSERT_BLOB, _blob_values(session_id, blob)))

    def blob(self, blob_id: str) -> tuple[str, bytes] | None:
        rows = self._rows("SELECT session_id, content FROM blobs WHERE id = %s", (stored_text(blob_id),))
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

    def append(self) -> list[Appended | VgprojectError]:
        with self._connection.transaction():
            for batch in self._batches:
                if batch.session:
                    self._connection.execute(INSERT_SESSION, _session_values(batch.session_id, batch.session))
            # Asked after the locks are held, so that no key can come in between.
            sessions = self._lock_sessions()
            numbering = Numbering(sessions, self._known())
            results = [numbering.number(batch) for batch in self._batches]
            if rows := numbering.rows():
                with self._connection.pipeline():
                    self._connection.execute(INSERT_EVENTS, [list(column) for column in zip(*rows, strict=True)])
                    self._project(sessions, numbering.fresh)
        return results

    def _lock_sessions(self) -> dict[str, StoredSession]:
        session_ids = sorted({stored_text(batch.session_id) for batch in self._batches})
        rows = self._connection.execute(LOCK_SESSIONS, (session_ids,))
        return {row[0]: StoredSession(*row[1:]) for row in rows}

    def _known(self) -> dict[tuple[str, str], Record]:
        known: dict[tuple[str, str], Record] = {}
        if keys := keys_of(self._batches):
            wanted = tuple([stored_text(value) for value in column] for column in zip(*keys, strict=True))
            for session_id, *row in self._connection.execute(FIND_EVENTS, wanted):
                known[session_id, row[1]] = to_record((row[0], row[1], row[2], row[3]))
        return known

    def _project(
        self, sessions: Mapping[str, StoredSession], fresh: Mapping[str, Sequence[tuple[int, NewRecord]]]
    ) -> None:
        """In a pipeline: nothing is waited for until its end."""
        execute = self._connection.execute
        changes = [(sessions[id_].number, session_change(sessions[id_], records)) for id_, records in fresh.items()]
        rows = [(number, to.head_seq, to.updated_at, to.waiting, _text(to.holder)) for number, to in changes]
        execute(UPDATE_SESSIONS, [list(column) for column in zip(*rows, strict=True)])
        for session_id, records in fresh.items():
            for _, record in records:
                if record.blob:
                    execute(INSERT_BLOB, _blob_values(session_id, record.blob))
                if record.answer:
                    kept = (stored_text(record.answer.scope), session_id, record.answer.content)
                    execute(INSERT_ANSWER, kept)
            for member in member_changes(records):
                whose = (session_id, member.user_id)
                if member.is_gone:
                    execute(DELETE_MEMBER, whose)
                else:
                    execute(PUT_MEMBER, (*whose, member.role))
            for task in task_changes(records):
                if isinstance(task, QueuedTask):
                    queued = (task.task_id, session_id, task.content, task.seq, task.time, task.queued_by)
                    execute(INSERT_TASK, queued)
                else:
                    again = int(task.queued_seq is not None)
                    changed = (task.status, task.ended_at, again, task.queued_seq, task.queued_by, task.task_id)
                    execute(UPDATE_TASK, changed)


def _page(order: Literal["ASC", "DESC"], *, of_types: bool = False) -> str:
    """Reads the index from one end, and no further than the page goes."""
    page = (
        "SELECT id, key, type, payload, octet_length(payload) AS size,"
        f" sum(octet_length(payload)) OVER (ORDER BY id {order}) AS total"
        f" FROM events WHERE id > %s AND id < %s {'AND type = ANY(%s)' if of_types else ''} ORDER BY id {order} LIMIT %s"
    )
    is_within = "%s::bigint IS NULL OR total <= %s OR total = size"
    return f"SELECT id, key, type, payload FROM ({page}) AS page WHERE {is_within} ORDER BY id"


def _session_values(session_id: str, new: NewSession) -> tuple[object, ...]:
    texts = (stored_text(text) for text in (session_id, new.project, new.title, new.owner))
    return *texts, new.settings, new.epoch, new.time, new.time


def _text(value: str | None) -> str | None:
    return value and stored_text(value)


def _blob_values(session_id: str, blob: Blob) -> tuple[object, ...]:
    return blob.id, blob.sha256, blob.content, session_id
