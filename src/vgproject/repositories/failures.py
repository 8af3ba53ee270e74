"""What a failing database means for who asked: one sentence and a code, from either driver's error."""

import sqlite3

import psycopg

from vgproject.errors import UnavailableError
from vgproject.repositories.database_url import mask_password


def unavailable(error: BaseException) -> UnavailableError:
    """``disk_full`` or ``database_unavailable``."""
    if _is_disk_full(error):
        return UnavailableError("The disk of the database is full: nothing was stored.", code="disk_full")
    reason = mask_password(" ".join(str(error).split()))
    return UnavailableError(f"The database does not answer: {reason}", code="database_unavailable")


def _is_disk_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, psycopg.errors.DiskFull)
