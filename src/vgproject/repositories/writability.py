"""Whether a database takes what is written, found out by writing."""

import math
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.failures import disk_full, unavailable

ROOM_BYTES = 1024 * 1024
"""A task that goes on where only a word or two can be stored would soon stop again, its last model call lost."""
SECONDS = 5.0


def check_writable(url: DatabaseUrl, seconds: float = SECONDS) -> None:
    """By a connection of its own, which sees a file that was removed, too. Raises `StorageError` after ``seconds``."""
    try:
        if url.path:
            _write_file(url.path, seconds)
        else:
            _write_server(url, seconds)
    except (sqlite3.Error, psycopg.Error, OSError) as error:
        raise unavailable(error) from error


def _write_file(path: Path, seconds: float) -> None:
    disk = os.statvfs(path)
    if disk.f_bavail * disk.f_frsize < ROOM_BYTES:
        raise disk_full()
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=seconds, isolation_level=None)) as connection:
        # Nobody reads it; it is written even where it stays the same.
        connection.execute("PRAGMA user_version = 0")


def _write_server(url: DatabaseUrl, seconds: float) -> None:
    limit = f"-c statement_timeout={round(1000 * seconds)}"
    with psycopg.connect(
        url.for_driver, autocommit=True, connect_timeout=math.ceil(seconds), options=limit
    ) as connection:
        connection.execute("SELECT txid_current()")
