"""The database, and one transaction on it."""

from pathlib import Path
from types import TracebackType

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from vgproject import migrations
from vgproject.errors import UnavailableError
from vgproject.repositories.command_repository import CommandRepository
from vgproject.repositories.memory_repository import MemoryRepository
from vgproject.repositories.session_repository import SessionRepository
from vgproject.repositories.turn_repository import TurnRepository


class Database:
    """The one database file. ``path`` is made where it is missing; `upgrade` brings its tables up to date."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        sa.event.listen(self._engine.sync_engine, "connect", _set_pragmas)
        sa.event.listen(self._engine.sync_engine, "begin", _begin_immediate)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def upgrade(self) -> None:
        config = AlembicConfig()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        try:
            async with self._engine.begin() as connection:

                def run(connection: sa.Connection) -> None:
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")

                await connection.run_sync(run)
        except DBAPIError as error:
            raise UnavailableError(
                f"The database {self.path} cannot be used: {error.orig}", code="database_unavailable"
            ) from error

    async def check(self) -> None:
        """Raises `UnavailableError` where the database does not answer."""
        try:
            async with self._engine.connect() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except DBAPIError as error:
            raise UnavailableError(
                f"The database does not answer: {error.orig}", code="database_unavailable"
            ) from error

    def unit_of_work(self) -> "UnitOfWork":
        return UnitOfWork(self._sessions())

    async def close(self) -> None:
        await self._engine.dispose()


class UnitOfWork:
    """One transaction: what is not committed inside the ``async with`` is undone at its end."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.sessions = SessionRepository(session)
        self.turns = TurnRepository(session)
        self.commands = CommandRepository(session)
        self.memory = MemoryRepository(session)

    async def __aenter__(self) -> "UnitOfWork":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

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
