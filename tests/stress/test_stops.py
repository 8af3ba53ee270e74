"""The server ends in the middle of its work, and all of its clients come back to the next one at once."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fed_process import FedProcess, feeding

from stress.budgets import Stops
from stress.raw_clients import Follower, connect_all, reach_all, stored_log

BUDGET = Stops()


async def test_after_a_kill_in_the_middle_of_events_each_client_ends_with_exactly_the_log(tmp_path: Path) -> None:
    def kill(server: FedProcess) -> None:
        server.signal(signal.SIGKILL)
        assert server.told.process.wait(5) == -signal.SIGKILL

    followers = await end_in_the_middle(tmp_path, kill)
    assert {follower.ended.result() for follower in followers} == {1006}
    await come_back(tmp_path, followers)


async def test_sigterm_tells_each_client_and_ends_with_0_in_time_and_each_ends_with_exactly_the_log(
    tmp_path: Path,
) -> None:
    def terminate(server: FedProcess) -> None:
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.told.process.wait(3 * BUDGET.grace_seconds) == 0
        assert time.monotonic() - began <= BUDGET.grace_seconds

    followers = await end_in_the_middle(tmp_path, terminate)
    assert {follower.ended.result() for follower in followers} == {4000}
    assert {follower.count("server_draining") for follower in followers} == {1}
    await come_back(tmp_path, followers)


async def end_in_the_middle(tmp_path: Path, end: Callable[[FedProcess], None]) -> list[Follower]:
    """Those who were cut off while events were written one after the other."""
    with feeding(tmp_path, VGPROJECT_LIMITS__GRACE_SECONDS=str(BUDGET.grace_seconds)) as server:
        session_id = await server.create_session()
        followers = [Follower(session_id) for _ in range(BUDGET.clients)]
        async with asyncio.timeout(150):
            await connect_all(followers, server.url)
            server.told.tell("append", session_ids=[session_id], count=1_000_000, per_second=50, together=2)
            await reach_all(followers, 20)
            await asyncio.to_thread(end, server)
            await asyncio.gather(*(follower.ended for follower in followers))
    return followers


async def come_back(tmp_path: Path, followers: list[Follower]) -> None:
    """Whoever is told that its cursor is not known begins anew; nobody may be left with another log than the server."""
    session_id = followers[0].session_id
    with feeding(tmp_path) as server:
        async with asyncio.timeout(150):
            await connect_all(followers, server.url, at_once=len(followers))
            await server.told.ask("append", session_ids=[session_id], count=10)
            log = await stored_log(server, session_id)
            await reach_all(followers, len(log))
        for follower in followers:
            follower.leave()
    assert [follower.mistakes for follower in followers if follower.mistakes] == []
    assert all(follower.log == log for follower in followers)
