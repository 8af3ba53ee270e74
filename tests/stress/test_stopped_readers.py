"""Clients that stop reading, beside those that read."""

import asyncio
from pathlib import Path

import pytest
from benchmarks.fed_process import FedProcess, feeding
from benchmarks.figures import percentile

from stress.budgets import ROUNDS, StoppedReaders
from stress.raw_clients import Follower, age, connect_all, reach_all, stored_log

BUDGET = StoppedReaders()
EVENTS = {"count": 64, "per_second": 100, "size": 32 * 1024}
"""2 MiB in one round: more than the systems of both ends and the server may hold for a client."""


@pytest.mark.alone
async def test_clients_that_stop_reading_cost_a_bounded_memory_and_the_others_no_time(tmp_path: Path) -> None:
    with feeding(tmp_path) as server:
        session_id = await server.create_session()
        healthy = [Follower(session_id) for _ in range(BUDGET.healthy)]
        stopped: list[Follower] = []
        within = False
        async with asyncio.timeout(150):
            await connect_all(healthy, server.url)
            await reach_all(healthy, 1)
            await p99_of_a_round(server, healthy)
            for _ in range(ROUNDS):
                without = await p99_of_a_round(server, healthy)
                stopped = await some_who_stop_reading(server, healthy[0])
                before = server.resident_bytes()
                beside = await p99_of_a_round(server, healthy)
                grown = server.resident_bytes() - before
                assert grown <= BUDGET.stopped * BUDGET.bytes_each
                for follower in stopped:
                    follower.leave()
                within = beside <= without * BUDGET.p99_ratio + BUDGET.p99_more_seconds
                if within:
                    break
            log = await stored_log(server, session_id)
            await connect_all(stopped, server.url)
            await reach_all(stopped, len(log))
        everybody = [*healthy, *stopped]
        for follower in everybody:
            follower.leave()
    assert [follower.mistakes for follower in everybody if follower.mistakes] == []
    assert all(follower.log == log for follower in everybody)
    assert within, f"p99 {beside:.4f} s beside clients that have stopped, {without:.4f} s without"


async def some_who_stop_reading(server: FedProcess, healthy: Follower) -> list[Follower]:
    """They have the log up to now."""
    followers = [Follower(healthy.session_id) for _ in range(BUDGET.stopped)]
    for follower in followers:
        follower.log, follower.epoch = healthy.log.copy(), healthy.epoch
    await connect_all(followers, server.url)
    for follower in followers:
        follower.stop_reading()
    return followers


async def p99_of_a_round(server: FedProcess, healthy: list[Follower]) -> float:
    """The seconds from the making of an event to a client that reads."""
    ages: list[float] = []
    for follower in healthy:
        follower.on_event = lambda event: ages.append(age(event))
    seq = len(healthy[0].log) + EVENTS["count"]
    await server.told.ask("append", session_ids=[healthy[0].session_id], **EVENTS)
    await reach_all(healthy, seq)
    return percentile(ages, 0.99)
