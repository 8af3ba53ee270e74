"""The event log's group commit beside a raw loop of sqlite3 on the same disk, and the replay of a long session."""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure
from vgproject.broker.in_process import InProcessBroker
from vgproject.event_log import NewEvent, open_event_log
from vgproject.models.tables import SessionRow
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.events import AgentMessage
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

EVENT = NewEvent(AgentMessage(message_id="m", text="x" * 60), Actor(kind="agent", id="research"))


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        return await _measure(Path(directory), sessions=50, events=200)


async def _measure(directory: Path, *, sessions: int, events: int) -> list[Figure]:
    database = Database(sqlite_file(directory / "log.db"))
    await database.upgrade()
    now, names = utc_now(), [f"session-{number}" for number in range(sessions)]
    async with database.unit_of_work() as work:
        for name in names:
            work.sessions.add(
                SessionRow(
                    id=name, project="/p", title="", owner="o", settings={}, epoch="e", created_at=now, updated_at=now
                )
            )
        await work.commit()
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as log:

        async def write(name: str) -> None:
            for _ in range(events):
                await log.append(name, [EVENT])

        began = time.perf_counter()
        await asyncio.gather(*map(write, names))
        ours = sessions * events / (time.perf_counter() - began)
        await log.append(names[0], [EVENT] * 10_000)
        began = time.perf_counter()
        await log.read(names[0], after=0, limit=10_000)
        replay = (time.perf_counter() - began) * 1000
        payload = (await log.read(names[0], after=0, limit=1))[0].payload.decode()
    await database.close()
    raw = await asyncio.to_thread(_raw, directory / "raw.db", payload, sessions, events)
    return [
        Figure(f"group commit of {sessions} sessions to a raw sqlite3 loop", ours / raw, "ratio", 0.75, at_least=True),
        Figure("replay of 10,000 events", replay, "ms", 500),
    ]


def _raw(path: Path, payload: str, sessions: int, events: int) -> float:
    """One commit for each round of the sessions, as the group commit makes it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, type TEXT, payload TEXT)")
    began = time.perf_counter()
    for seq in range(events):
        connection.execute("BEGIN IMMEDIATE")
        for session in range(sessions):
            values = (session << 40 | seq, "agent_message", payload)
            connection.execute("INSERT INTO events VALUES (?, ?, ?)", values)
        connection.execute("COMMIT")
    connection.close()
    return sessions * events / (time.perf_counter() - began)
