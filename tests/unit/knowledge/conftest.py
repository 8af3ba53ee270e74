"""A memory on either kind of database."""

from collections.abc import AsyncIterator

import pytest

from vgproject.broker.in_process import InProcessBroker
from vgproject.knowledge.memory import Memory
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.unit_of_work import Database
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id


@pytest.fixture
async def memory(database_url: DatabaseUrl) -> AsyncIterator[Memory]:
    database = Database(database_url)
    await database.upgrade()
    yield Memory(database, InProcessBroker(), now=utc_now, new_id=new_id)
    await database.close()
