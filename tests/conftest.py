"""Fixtures that many tests share."""

import gc
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from databases import Postgres, put_tables
from vgproject.repositories.database_url import DatabaseUrl

# How long an example takes says more of the machine's other work than of ours.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """What was imported stays, and is not looked through again and again: that took a third of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUrl:
    """A database of either kind with empty tables: a test that takes it runs on both."""
    if request.param == "sqlite":
        return put_tables(tmp_path / "vgproject.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_tables()
