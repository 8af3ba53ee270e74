"""Which database: a SQLite file or a PostgreSQL server. The password is never shown."""

import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

ALLOWED = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


@dataclass(frozen=True)
class DatabaseUrl:
    """Made by `parse_database_url` or `sqlite_file`. As a string it has no password."""

    url: sa.URL

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(str(self.url.database)) if self.url.drivername == "sqlite" else None

    @property
    def for_sqlalchemy(self) -> sa.URL:
        """With the driver that speaks it asynchronously."""
        return self.url.set(drivername="sqlite+aiosqlite" if self.path else "postgresql+psycopg")

    @property
    def for_driver(self) -> str:
        """With the password, as the plain driver takes it."""
        return self.url.render_as_string(hide_password=False)

    def __str__(self) -> str:
        return str(self.path) if self.path else mask_password(self.for_driver)

    __repr__ = __str__


def sqlite_file(path: Path) -> DatabaseUrl:
    return DatabaseUrl(sa.URL.create("sqlite", database=str(path)))


def parse_database_url(text: str) -> DatabaseUrl:
    """Raises `ValueError` that says what is allowed."""
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ValueError(f"expected {ALLOWED}") from error
    if url.drivername not in ("sqlite", "postgresql"):
        raise ValueError(f"the database {url.drivername!r} is not known: expected {ALLOWED}")
    if url.database in (None, "", ":memory:"):
        raise ValueError(f"it names no database: expected {ALLOWED}")
    return DatabaseUrl(url)


def mask_password(text: str) -> str:
    """``text`` without the passwords of the URLs in it, also where a URL cannot be parsed."""
    text = re.sub(r"(://[^:/@\s]*:)[^\s]*@", r"\1***@", text)
    return re.sub(r"([?&]password=)[^&\s]*", r"\1***", text)
