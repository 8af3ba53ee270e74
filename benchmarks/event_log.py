"""The event log's group commit beside a raw loop of sqlite3 on the same disk, and the replay of a long session."""

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from benchmarks.figures import Figure
from vgproject.broker.in_process import InProcessBroker
from vgproject.event_log import EventLog, NewEvent, open_event_log
from vgproject.models.tables import SessionRow
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.base import Actor
from vgproject.schema.events import AgentMessage
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id

EVENT = NewEvent(AgentMessage(message_id="m", text="x" * 60), Actor(kind="agent", id="research"))
SESSIONS = 50
COMMITS = 10
ROUNDS = 30


async def measure() -> list[Figure]:
    """The rounds of both are interleaved, and compared with the one beside them."""
    with tempfile.TemporaryDirectory() as directory:
        return await _measure(Path(directory))


async def _measure(directory: Path) -> list[Figure]:
    names = [f"session-{number}" for number in range(SESSIONS)]
    database = await _make_sessions(directory / "log.db", names)
    ratios: list[float] = []
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as log:
        await log.append(names[0], [EVENT])
        payload = (await log.read(names[0], after=0, limit=1))[0].payload.decode()
        raw = RawLog(directory / "raw.db", payload)
        for _ in range(ROUNDS):
            ours = await _seconds(_write(log, names))
            ratios.append(await _seconds(asyncio.to_thread(raw.write)) / ours)
        raw.close()
        await log.append(names[0], [EVENT] * 10_000)
        replay = await _seconds(log.read(names[0], after=0, limit=10_000)) * 1000
    await database.close()
    share = statistics.median(ratios)
    return [
        Figure(f"group commit of {SESSIONS} sessions to a raw sqlite3 loop", share, "ratio", 0.75, at_least=True),
        Figure("replay of 10,000 events", replay, "ms", 500),
    ]


async def _make_sessions(path: Path, names: list[str]) -> Database:
    database = Database(sqlite_file(path))
    await database.upgrade()
    now = utc_now()
    async with database.unit_of_work() as work:
        for name in names:
            work.sessions.add(
                SessionRow(
                    id=name, project="/p", title="", owner="o", settings={}, epoch="e", created_at=now, updated_at=now
                )
            )
        await work.commit()
    return database


async def _write(log: EventLog, names: list[str]) -> None:
    async def write(name: str) -> None:
        for _ in range(COMMITS):
            await log.append(name, [EVENT])

    await asyncio.gather(*map(write, names))


async def _seconds(action: Awaitable[object]) -> float:
    began = time.perf_counter()
    await action
    return time.perf_counter() - began


class RawLog:
    """One commit for each turn of the sessions, as the group commit makes it."""

    def __init__(self, path: Path, payload: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("page_size=8192", "journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, type TEXT, payload TEXT)")
        self._payload = payload
        self._seq = 0

    def write(self) -> None:
        for _ in range(COMMITS):
            self._seq += 1
            self._connection.execute("BEGIN IMMEDIATE")
            for session in range(SESSIONS):
                values = (session << 40 | self._seq, "agent_message", self._payload)
                self._connection.execute("INSERT INTO events VALUES (?, ?, ?)", values)
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
