"""One session with very many who follow it."""

import asyncio
import time
from pathlib import Path

import pytest
from benchmarks.fed_process import FedProcess, feeding

from stress.budgets import ROUNDS, OneToMany
from stress.raw_clients import Follower, connect_all, reach_all, stored_log

BUDGET = OneToMany()


@pytest.mark.alone
async def test_an_event_reaches_each_of_many_clients_once_in_order_and_soon(tmp_path: Path) -> None:
    with feeding(tmp_path) as server:
        session_id = await server.create_session()
        followers = [Follower(session_id) for _ in range(BUDGET.clients)]
        async with asyncio.timeout(150):
            await connect_all(followers, server.url)
            await server.told.ask("append", session_ids=[session_id], count=BUDGET.events)
            await reach_all(followers, 1 + BUDGET.events)
            best = await best_round(server, followers)
        log = await stored_log(server, session_id)
        for follower in followers:
            follower.leave()
    assert [follower.mistakes for follower in followers if follower.mistakes] == []
    assert all(follower.log == log for follower in followers)
    assert best <= BUDGET.first_to_last_seconds


async def best_round(server: FedProcess, followers: list[Follower]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began, seq = time.monotonic(), len(followers[0].log) + 1
        await server.told.ask("append", session_ids=[followers[0].session_id], count=1)
        await reach_all(followers, seq)
        best = min(best, time.monotonic() - began)
        if best <= BUDGET.first_to_last_seconds:
            break
    return best
