"""What a failing database means for who asked: one sentence and a code, from any driver's error."""

import sqlite3

import psycopg
from sqlalchemy import exc

from vgproject.errors import StorageError
from vgproject.repositories.database_url import mask_password


def unavailable(error: BaseException) -> StorageError:
    """``disk_full`` or ``database_unavailable``."""
    error = getattr(error, "orig", None) or error
    if is_disk_full(error):
        return disk_full()
    reason = mask_password(" ".join(str(error).split()))
    return StorageError(f"The database does not answer: {reason}", code="database_unavailable")


def disk_full() -> StorageError:
    return StorageError("The disk of the database is full: nothing was stored.", code="disk_full")


def is_disk_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
    return isinstance(error, psycopg.errors.DiskFull)


def is_outage(error: BaseException | None) -> bool:
    """Whether SQLAlchemy's ``error`` says that the database fails, and not that what was asked of it is wrong."""
    return type(error) is exc.DatabaseError or isinstance(
        error, exc.OperationalError | exc.InterfaceError | exc.InternalError | exc.TimeoutError
    )
