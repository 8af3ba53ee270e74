"""The database, and one transaction on it."""

import asyncio
from pkgutil import resolve_name
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from vgproject import migrations
from vgproject.errors import StorageError
from vgproject.repositories.audit_repository import AuditRepository
from vgproject.repositories.command_repository import CommandRepository
from vgproject.repositories.database_url import DatabaseUrl, mask_password
from vgproject.repositories.failures import disk_full, is_disk_full, is_outage, unavailable
from vgproject.repositories.member_repository import MemberRepository
from vgproject.repositories.memory_repository import MemoryRepository
from vgproject.repositories.memory_search import MemorySearch
from vgproject.repositories.session_repository import SessionRepository
from vgproject.repositories.token_repository import TokenRepository
from vgproject.repositories.turn_repository import TurnRepository
from vgproject.repositories.writability import SECONDS, check_writable

UPGRADE_LOCK = 7_610_447_329
"""Any number that others do not use: of several processes that start at once, one upgrades."""


class Database:
    """A SQLite file, which is made where it is missing, or a PostgreSQL database. `upgrade` brings the tables up to date."""

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url
        options: dict[str, Any] = {} if url.path else {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
        self._engine = create_async_engine(url.for_sqlalchemy, **options)
        if url.path:
            sa.event.listen(self._engine.sync_engine, "connect", _set_pragmas)
            sa.event.listen(self._engine.sync_engine, "begin", _begin_immediate)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def upgrade(self) -> None:
        try:
            async with self._engine.begin() as connection:
                if self.url.path is None:
                    await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))

                if await connection.run_sync(_version) != migrations.newest():
                    await connection.run_sync(resolve_name("vgproject.migrations.upgrade:upgrade"))
        except DBAPIError as error:
            if is_disk_full(error.orig):
                raise disk_full() from error
            reason = mask_password(" ".join(str(error.orig).split()))
            raise StorageError(
                f"The database {self.url} cannot be used: {reason}", code="database_unavailable"
            ) from error

    async def check(self, seconds: float = SECONDS) -> None:
        """Raises `StorageError` where nothing can be stored within so long."""
        await asyncio.to_thread(check_writable, self.url, seconds)

    def unit_of_work(self) -> "UnitOfWork":
        return UnitOfWork(self._sessions())

    async def close(self) -> None:
        await self._engine.dispose()


def _version(connection: sa.Connection) -> str | None:
    """That of the tables; ``None`` where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


class UnitOfWork:
    """One transaction: what is not committed inside the ``async with`` is undone at its end.

    Raises `StorageError` (``disk_full``, ``database_unavailable``) at its end where the database failed.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.sessions = SessionRepository(session)
        self.turns = TurnRepository(session)
        self.commands = CommandRepository(session)
        self.memory = MemoryRepository(session)
        self.memory_search = MemorySearch(session)
        self.members = MemberRepository(session)
        self.tokens = TokenRepository(session)
        self.audit = AuditRepository(session)

    async def __aenter__(self) -> "UnitOfWork":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()
        if error is not None and is_outage(error):
            raise unavailable(error) from error

    async def commit(self) -> None:
        await self._session.commit()


def _set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    """A transaction that first reads and then writes must not find the lock taken in between."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
