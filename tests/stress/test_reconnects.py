"""Very many clients lose their connections and come back at once, while the log goes on."""

import asyncio
import random
from pathlib import Path

from benchmarks.fed_process import feeding

from stress.budgets import Reconnects
from stress.raw_clients import Follower, connect_all, reach_all, stored_log

BUDGET = Reconnects()


async def test_all_who_come_back_at_once_with_their_cursors_end_with_exactly_the_log(tmp_path: Path) -> None:
    chance = random.Random(7)
    with feeding(tmp_path) as server:
        session_id = await server.create_session()
        head = 1 + BUDGET.events
        async with asyncio.timeout(150):
            await server.told.ask("append", session_ids=[session_id], count=BUDGET.events // 2, together=10)
            log = await stored_log(server, session_id)
            epoch = (await one_follower(server.url, session_id)).epoch
            followers = [Follower(session_id) for _ in range(BUDGET.clients)]
            for follower in followers:
                follower.log, follower.epoch = log[: chance.randint(1, len(log))], epoch
            writing = server.told.ask("append", session_ids=[session_id], count=BUDGET.events // 2, per_second=40)
            await asyncio.gather(writing, connect_all(followers, server.url, at_once=BUDGET.clients))
            await reach_all(followers, head)
        log = await stored_log(server, session_id)
        for follower in followers:
            follower.leave()
    assert len(log) == head
    assert [follower.mistakes for follower in followers if follower.mistakes] == []
    assert all(word["recovered"] for follower in followers for word in follower.told if word["type"] == "subscribed")
    assert all(follower.log == log for follower in followers)


async def one_follower(url: str, session_id: str) -> Follower:
    follower = Follower(session_id)
    await connect_all([follower], url)
    follower.leave()
    return follower
