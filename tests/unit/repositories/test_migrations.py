"""The tables' versions."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.ext.asyncio import create_async_engine

from databases import Postgres
from vgproject.migrations import VERSIONS, newest
from vgproject.models.tables import UtcDateTime
from vgproject.repositories.database_url import DatabaseUrl, sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.utils.clock import utc_now

OLD_SESSION = text(
    "INSERT INTO sessions (id, project, title, owner, settings, epoch, head_seq, waiting, created_at, updated_at)"
    " VALUES ('ses_1', '/project', 'Old', 'ada', '{}', 'epo_1', 0, '[]', :now, :now)"
).bindparams(bindparam("now", type_=UtcDateTime))


def test_the_newest_version_is_the_one_that_the_others_lead_to() -> None:
    assert ScriptDirectory(str(VERSIONS.parent)).get_heads() == [newest()]


def make_first_version(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    connection.execute(OLD_SESSION, {"now": utc_now()})


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUrl:
    if request.param == "sqlite":
        return sqlite_file(tmp_path / "vgproject.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database()


async def test_sessions_of_the_first_version_belong_to_who_made_them(empty_database: DatabaseUrl) -> None:
    database = Database(empty_database)
    try:
        engine = create_async_engine(empty_database.for_sqlalchemy)
        async with engine.begin() as connection:
            await connection.run_sync(make_first_version)
        await engine.dispose()
        await database.upgrade()
        async with database.unit_of_work() as work:
            members = [(row.user_id, row.role) for row in await work.members.list_of("ses_1")]
            seen = [len(await work.sessions.list_all(user, 10)) for user in ("ada", "bob")]
        assert (members, seen) == ([("ada", "owner")], [1, 0])
    finally:
        await database.close()
