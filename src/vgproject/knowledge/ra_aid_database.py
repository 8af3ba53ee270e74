"""RA.Aid's own database, ``.ra-aid/pk.db``, as rows. Nothing is written there, whoever has it open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from vgproject.errors import BadInputError

Row = dict[str, object]
Tables = dict[str, list[Row]]

COLUMNS = {
    "session": "id created_at start_time command_line status",
    "human_input": "id content session_id",
    "key_fact": "id created_at content human_input_id session_id",
    "key_snippet": "id created_at filepath line_number snippet description human_input_id session_id",
    "research_note": "id created_at content human_input_id session_id",
    "trajectory": (
        "id created_at human_input_id session_id tool_name tool_parameters record_type step_data is_error error_message"
    ),
}
"""What is read of each table. Versions differ: a table, or a column that is not needed, may be missing."""
NEEDED_COLUMNS = {
    "session": {"id"},
    "human_input": {"id", "content"},
    "key_fact": {"id", "content"},
    "key_snippet": {"id", "filepath", "snippet"},
    "research_note": {"id", "content"},
    "trajectory": {"id", "tool_name", "record_type"},
}
TELLING_TABLES = ("key_fact", "key_snippet", "research_note", "trajectory")
"""A database with none of them is of another program."""


def read_tables(database: Path) -> Tables:
    """Each table's rows in the order of their ids, with None for what the version of RA.Aid does not have.

    Raises `BadInputError` (``bad_import``).
    """
    if not database.is_file():
        raise BadInputError(f"There is no file {str(database)!r}; RA.Aid's is '.ra-aid/pk.db'.", code="bad_import")
    try:
        return _read_while_open(database)
    except sqlite3.Error as error:
        raise BadInputError(
            f"{str(database)!r} cannot be read as a database of RA.Aid: {error}.", code="bad_import"
        ) from error


def _read_while_open(database: Path) -> Tables:
    """``immutable`` leaves no files beside a database that nobody has open; where there is a WAL, somebody has."""
    wal = database.with_name(f"{database.name}-wal")
    if not wal.exists():
        tables = _read(database, "mode=ro&immutable=1")
        if not wal.exists():
            return tables
    return _read(database, "mode=ro")


def _read(database: Path, how: str) -> Tables:
    uri = f"{database.resolve().as_uri()}?{how}"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.text_factory = lambda stored: stored.decode(errors="replace")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN")
        present = {table: _columns(connection, table) for table in COLUMNS}
        if not any(present[table] for table in TELLING_TABLES):
            raise BadInputError(
                f"{str(database)!r} is no database of RA.Aid: it has none of the tables {', '.join(TELLING_TABLES)}.",
                code="bad_import",
            )
        return {table: list(_rows(connection, table, present[table])) for table in COLUMNS}


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Those of ``COLUMNS`` that the table has; none of a table that is not there or not RA.Aid's."""
    found = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}
    return [name for name in COLUMNS[table].split() if name in found] if found >= NEEDED_COLUMNS[table] else []


def _rows(connection: sqlite3.Connection, table: str, present: list[str]) -> Iterator[Row]:
    if present:
        absent = dict.fromkeys(COLUMNS[table].split())
        for values in connection.execute(f"SELECT {', '.join(present)} FROM {table} ORDER BY id"):
            yield absent | dict(zip(present, values, strict=True))


def text_of(value: object) -> str:
    """SQLite keeps anything in a column, so also what is no text."""
    if value is None:
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
