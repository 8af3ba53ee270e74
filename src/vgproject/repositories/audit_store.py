"""Adding to the audit trail, on the plain drivers: each command waits for it, so it has to be cheap.

Whoever holds the row of the head gives the next numbers, and lets go of it by committing them.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg

from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.failures import unavailable
from vgproject.schema.audit import AuditRecord
from vgproject.utils.hash_chain import canonical, hash_of

COLUMNS = tuple(AuditRecord.model_fields)
PRAGMAS = ("synchronous=FULL", "busy_timeout=30000", "wal_autocheckpoint=0")
"""What is in the WAL the event log's checkpointer moves into the file."""

Entry = Mapping[str, Any]
"""A record without its number and hashes."""


class AuditStore(Protocol):
    """Used by one thread. Connects when it is first used, and again after a failure."""

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Their numbers: all are stored, in this order, or none. Raises `StorageError`."""

    def close(self) -> None: ...


def open_audit_store(url: DatabaseUrl) -> AuditStore:
    return SqliteAuditStore(url) if url.path else PostgresAuditStore(url)


class SqliteAuditStore:
    def __init__(self, url: DatabaseUrl) -> None:
        self._path = url.path
        self._connection: sqlite3.Connection | None = None

    def append(self, entries: Sequence[Entry]) -> list[int]:
        try:
            with _transaction(self._connect()) as connection:
                [(seq, head)] = connection.execute("SELECT audit_seq, hash FROM audit_head")
                records = _linked(entries, seq, head)
                connection.executemany(_insert("?"), [_values(record) for record in records])
                connection.execute("UPDATE audit_head SET audit_seq = ?, hash = ?", _head(records))
        except sqlite3.Error as error:
            self.close()
            raise unavailable(error) from error
        return [record["audit_seq"] for record in records]

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(str(self._path), isolation_level=None, check_same_thread=False)
            for pragma in PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
        return self._connection

    def close(self) -> None:
        """What is not committed is undone."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """The lock is taken first, so that no other process writes between reading the head and writing it."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        yield connection


class PostgresAuditStore:
    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def append(self, entries: Sequence[Entry]) -> list[int]:
        try:
            connection = self._connect()
            with connection.transaction(), connection.cursor() as cursor:
                [(seq, head)] = cursor.execute("SELECT audit_seq, hash FROM audit_head FOR UPDATE")
                records = _linked(entries, seq, head)
                cursor.executemany(_insert("%s").encode(), [_values(record) for record in records])
                cursor.execute("UPDATE audit_head SET audit_seq = %s, hash = %s", _head(records))
        except psycopg.Error as error:
            self.close()
            raise unavailable(error) from error
        return [record["audit_seq"] for record in records]

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The open connection where it still answers; the server may have been started anew since it was used."""
        if self._connection is not None:
            try:
                self._connection.execute("")
            except psycopg.OperationalError:
                self.close()
        if self._connection is None:
            self._connection = psycopg.connect(self._url.for_driver, autocommit=True, connect_timeout=5)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _linked(entries: Iterable[Entry], seq: int, head: str) -> list[dict[str, Any]]:
    records = []
    for entry in entries:
        record = {**entry, "audit_seq": (seq := seq + 1), "previous_hash": head}
        record["hash"] = head = hash_of(record)
        records.append(record)
    return records


def _insert(mark: str) -> str:
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    return f"INSERT INTO audit_records ({names}) VALUES ({', '.join([mark] * len(COLUMNS))})"


def _values(record: Entry) -> tuple[object, ...]:
    stored = {**record, "about": canonical(record["about"]).decode()}
    return tuple(stored[name] for name in COLUMNS)


def _head(records: Sequence[Entry]) -> tuple[int, str]:
    return records[-1]["audit_seq"], records[-1]["hash"]
