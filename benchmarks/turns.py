"""What a turn costs of our own: CPU, its growth over a long session, and storage; and many sessions at once."""

import asyncio
import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.server import ServerProcess, frames_of, research_of, serving, watched_livez, write_script

TURNS = 200
WARM_UP_TURNS = 20
SESSIONS = 20
TURNS_EACH = 12


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        return await _measure_long_session(Path(name) / "long") + await _measure_many_sessions(Path(name) / "many")


async def _measure_long_session(directory: Path) -> list[Figure]:
    model = write_script(directory, research_of(TURNS + WARM_UP_TURNS))
    with serving(directory, model=model) as server:
        cpu_after = await _cpu_after_turns(server)
    stored = _stored_bytes(directory / "home")
    first, last = cpu_after[WARM_UP_TURNS : WARM_UP_TURNS + 50], cpu_after[-51:]
    early, late = (first[-1] - first[0]) / 49, (last[-1] - last[0]) / 50
    return [
        Figure(
            "a turn of a 200-turn session, CPU", 1000 * (cpu_after[-1] - cpu_after[WARM_UP_TURNS]) / TURNS, "ms", 45
        ),
        Figure("its growth, last 50 turns to first 50", late / early, "ratio", 1.1),
        Figure("stored a turn, all databases", stored / len(cpu_after) / 1000, "kB", 10),
    ]


async def _cpu_after_turns(server: ServerProcess) -> list[float]:
    cpu: list[float] = []
    async with server.websocket() as websocket:
        await websocket.send(json.dumps({"type": "task", "content": "Look", "settings": {"max_turns": 1000}}))
        async for message in websocket:
            for frame in frames_of(message):
                if frame["type"] == "usage_updated":
                    cpu.append(server.cpu_seconds())
                if frame["type"] == "task_completed":
                    return cpu
                assert frame["type"] != "task_failed", frame
    raise AssertionError("the connection ended")


def _stored_bytes(home: Path) -> int:
    """The size of the databases, with what their write-ahead logs hold put in its place."""
    paths = list(home.glob("*.db"))
    for path in paths:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(path.stat().st_size for path in paths)


async def _measure_many_sessions(directory: Path) -> list[Figure]:
    with serving(directory, model=write_script(directory, research_of(TURNS_EACH))) as server:
        began = time.perf_counter()
        with watched_livez(server) as waits:
            lost = sum(await asyncio.gather(*(_events_lost(server) for _ in range(SESSIONS))))
        seconds = time.perf_counter() - began
    return [
        Figure(f"{SESSIONS} sessions of {TURNS_EACH} turns at once: events lost", lost, "events", 0),
        Figure("… /livez meanwhile, p99", 1000 * percentile(waits, 0.99), "ms", 100),
        Figure("… turns a second", SESSIONS * TURNS_EACH / seconds, "turns/s", 10, at_least=True),
    ]


async def _events_lost(server: ServerProcess) -> int:
    seqs: list[int] = []
    async with server.websocket() as websocket:
        await websocket.send(json.dumps({"type": "task", "content": "Look"}))
        async for message in websocket:
            frames = frames_of(message)
            seqs += [frame["seq"] for frame in frames if "seq" in frame]
            if any(frame["type"] == "task_completed" for frame in frames):
                return seqs[-1] - len(set(seqs))
    raise AssertionError("the connection ended")
