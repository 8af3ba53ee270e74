"""Which database a URL names, and that its password is never shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgproject.repositories.database_url import mask_password, parse_database_url, sqlite_file


def test_a_sqlite_url_names_its_file() -> None:
    url = parse_database_url("sqlite:////var/lib/x.db")
    assert (url.path, str(url)) == (Path("/var/lib/x.db"), "/var/lib/x.db")
    assert url.for_sqlalchemy.drivername == "sqlite+aiosqlite"
    assert url == sqlite_file(Path("/var/lib/x.db"))


def test_a_postgresql_url_keeps_its_password_for_the_driver_only() -> None:
    url = parse_database_url("postgresql://me:p%40ss@db.example:5433/work?sslmode=require")
    assert url.path is None
    assert url.for_driver == "postgresql://me:p%40ss@db.example:5433/work?sslmode=require"
    assert url.for_sqlalchemy.password == "p@ss"
    assert url.for_sqlalchemy.drivername == "postgresql+psycopg"
    assert str(url) == repr(url) == "postgresql://me:***@db.example:5433/work?sslmode=require"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected sqlite:///PATH or postgresql://"),
        ("work.db", "expected sqlite:///PATH or postgresql://"),
        ("mysql://me@db/work", "the database 'mysql' is not known"),
        ("sqlite+aiosqlite:///work.db", "the database 'sqlite+aiosqlite' is not known"),
        ("sqlite://", "it names no database"),
        ("sqlite:///:memory:", "it names no database"),
        ("postgresql://me@db", "it names no database"),
        ("postgresql://me:p@db:port/work", "expected sqlite:///PATH or postgresql://"),
    ],
)
def test_what_is_no_database_is_refused_with_what_would_be_one(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="expected sqlite") as raised:
        parse_database_url(text)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@db/work", "postgresql://me:***@db/work"),
        ("postgresql://me:se/cr@et@db/work", "postgresql://me:***@db/work"),
        ("postgresql://:secret@db/work", "postgresql://:***@db/work"),
        ("postgresql://db/work?user=me&password=secret&x=1", "postgresql://db/work?user=me&password=***&x=1"),
        ("postgresql://me:secret@db:port/work", "postgresql://me:***@db:port/work"),
        ("postgresql://me@db/work", "postgresql://me@db/work"),
        ("/home/me/work.db", "/home/me/work.db"),
    ],
)
def test_a_password_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    assert mask_password(text) == shown


@given(
    password=st.text(alphabet=st.characters(exclude_categories=["Z", "C"]), min_size=1).map(lambda text: f"#{text}#")
)
def test_no_password_is_shown_whatever_it_is_made_of(password: str) -> None:
    assert password not in mask_password(f"cannot open postgresql://me:{password}@db/work at all")
