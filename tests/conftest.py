"""Fixtures that many tests share."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from databases import Postgres
from vgproject.repositories.database_url import DatabaseUrl, sqlite_file

# How long an example takes says more of the machine's other work than of ours.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUrl:
    """An empty database of either kind: a test that takes it runs on both."""
    if request.param == "sqlite":
        return sqlite_file(tmp_path / "vgproject.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database()
