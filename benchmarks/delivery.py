"""What a delivery takes, from the append to the client, beside servers that send the same and keep no log."""

import asyncio
import json
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fed_process import FedProcess, ToldProcess, feeding
from benchmarks.figures import Figure
from benchmarks.server import TOKEN, frames_of

EVENT = {"size": 24}
"""Characters of text; with what is around it an event has nearly 300 bytes."""
ROUNDS = 5
REPLAYED = 10_000
LIMITS = {
    "naive": {100: 0.7, 1_000: 0.5},
    "websockets": {100: 1.0, 1_000: 1.0},
    "picows": {100: 1.6, 1_000: 1.4},
}
"""Our CPU to theirs, at so many subscribers."""


@dataclass(frozen=True)
class Mode:
    name: str
    subscribers: int
    count: int
    arguments: dict[str, Any]


MODES = [
    Mode("paced", 100, 100, {"per_second": 100}),
    Mode("saturated", 100, 200, {"together": 50}),
    Mode("one by one", 100, 100, {}),
    Mode("paced", 1_000, 10, {"per_second": 10}),
]
"""Paced are 10,000 deliveries a second. One by one: the next is appended when the last is stored, so that none are
committed together."""


@dataclass
class Contestant:
    name: str
    told: ToldProcess
    url: str
    arguments: dict[str, Any] = field(default_factory=dict)
    """Of its feed."""
    access: dict[str, Any] = field(default_factory=dict)
    """Of its clients."""


@dataclass(frozen=True)
class Round:
    cpu_seconds: float
    """A delivery."""
    p99: float


async def measure() -> list[Figure]:
    """Rounds are interleaved, and each of ours is compared with those beside it."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        directory = Path(name)
        server = stack.enter_context(feeding(directory, VGPROJECT_LIMITS__HEARTBEAT_SECONDS="3600"))
        rivals = [_start_rival(stack, rival, directory) for rival in LIMITS]
        clients = stack.enter_context(closing(ToldProcess(["benchmarks.delivery_clients"], {}, directory / "log")))
        figures: list[Figure] = []
        for subscribers in sorted({mode.subscribers for mode in MODES}):
            contestants = [await _ours(server), *rivals]
            for contestant in contestants:
                where = {"url": contestant.url, "count": subscribers, **contestant.access}
                await clients.ask("connect", name=contestant.name, **where)
            await asyncio.sleep(1)  # All know who is here.
            for mode in [mode for mode in MODES if mode.subscribers == subscribers]:
                figures += _compare(mode, await _run_rounds(mode, contestants, clients))
            for contestant in contestants:
                await clients.ask("leave", name=contestant.name)
        return [*figures, await _replay(server)]


def _start_rival(stack: ExitStack, name: str, directory: Path) -> Contestant:
    told = stack.enter_context(closing(ToldProcess(["benchmarks.rivals", name], {}, directory / "log")))
    return Contestant(name, told, told.read_line().strip())


async def _ours(server: FedProcess) -> Contestant:
    session_id = await server.create_session()
    access = {"token": TOKEN, "session_id": session_id}
    return Contestant("ours", server.told, server.url, {"session_ids": [session_id]}, access)


async def _run_rounds(mode: Mode, contestants: list[Contestant], clients: ToldProcess) -> dict[str, list[Round]]:
    rounds: dict[str, list[Round]] = {contestant.name: [] for contestant in contestants}
    for number in range(ROUNDS + 1):
        for contestant in contestants:
            done = await _run_round(mode, contestant, clients)
            if number:  # The first warms up.
                rounds[contestant.name].append(done)
    return rounds


async def _run_round(mode: Mode, contestant: Contestant, clients: ToldProcess) -> Round:
    before = await contestant.told.ask("cpu")
    hearing = asyncio.create_task(clients.ask("hear", name=contestant.name, events=mode.count))
    await contestant.told.ask("append", count=mode.count, **EVENT, **mode.arguments, **contestant.arguments)
    heard = await hearing
    after = await contestant.told.ask("cpu")
    deliveries = mode.count * mode.subscribers
    return Round((after["cpu_seconds"] - before["cpu_seconds"]) / deliveries, heard["p99"])


def _compare(mode: Mode, rounds: dict[str, list[Round]]) -> list[Figure]:
    ours, place = rounds["ours"], f"{mode.name}, {mode.subscribers:,} subscribers"
    figures = [
        Figure(
            f"CPU a delivery to {rival}, {place}",
            statistics.median(
                mine.cpu_seconds / theirs.cpu_seconds for mine, theirs in zip(ours, rounds[rival], strict=True)
            ),
            "ratio",
            limits[mode.subscribers],
        )
        for rival, limits in LIMITS.items()
    ]
    if (mode.name, mode.subscribers) == ("paced", 100):
        p99 = statistics.median(done.p99 for done in ours)
        figures.append(Figure(f"from append to client, p99, {place}", 1000 * p99, "ms", 10))
    return figures


async def _replay(server: FedProcess) -> Figure:
    """To a Python client that parses what it gets."""
    session_id = await server.create_session()
    await server.told.ask("append", session_ids=[session_id], count=REPLAYED, together=500, **EVENT)
    best = min([await _replay_seconds(server, session_id) for _ in range(3)])
    return Figure(f"replay of {REPLAYED:,} events to a client", best, "s", 0.5)


async def _replay_seconds(server: FedProcess, session_id: str) -> float:
    async with server.websocket() as websocket:
        began = time.perf_counter()
        await websocket.send(json.dumps({"type": "subscribe", "session_id": session_id}))
        async for message in websocket:
            if frames_of(message)[-1].get("seq") == REPLAYED + 1:
                return time.perf_counter() - began
    raise AssertionError("the connection ended")
