"""Thousands who only wait cost little each."""

import asyncio
from pathlib import Path

from benchmarks.fed_process import feeding

from stress.budgets import Idle
from stress.raw_clients import Follower, connect_all, reach_all

BUDGET = Idle()


async def test_an_idle_subscribed_connection_takes_little_memory(tmp_path: Path) -> None:
    with feeding(tmp_path) as server:
        session_id = await server.create_session()
        first, measured = ([Follower(session_id) for _ in range(count)] for count in (BUDGET.first, BUDGET.connections))
        async with asyncio.timeout(150):
            await connect_all(first, server.url)
            await reach_all(first, 1)
            before = server.resident_bytes()
            await connect_all(measured, server.url)
            await reach_all(measured, 1)
        each = (server.resident_bytes() - before) / BUDGET.connections
        for follower in (*first, *measured):
            follower.leave()
    assert each <= BUDGET.bytes_each
