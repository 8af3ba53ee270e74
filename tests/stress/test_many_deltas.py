"""Many sessions whose models speak at once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from benchmarks.fed_process import FedProcess, feeding
from benchmarks.figures import percentile
from benchmarks.server import watched_livez

from stress.budgets import ROUNDS, ManyDeltas
from stress.raw_clients import Follower, connect_all

BUDGET = ManyDeltas()
COUNT = round(BUDGET.per_second * BUDGET.seconds)
WHOLE = "".join(f"{number:8}" for number in range(COUNT))


@pytest.mark.alone
async def test_the_server_answers_at_once_while_fifty_sessions_speak_two_hundred_deltas_a_second(
    tmp_path: Path,
) -> None:
    best = float("inf")
    with feeding(tmp_path) as server:
        async with asyncio.timeout(150):
            followers = [Follower(await server.create_session()) for _ in range(BUDGET.sessions)]
            await connect_all(followers, server.url)
            for number in range(ROUNDS):
                best = min(best, await livez_p99_while_all_speak(server, followers, message_id=f"m{number}"))
                if best <= BUDGET.livez_p99_seconds:
                    break
        for follower in followers:
            follower.leave()
    assert [follower.mistakes for follower in followers if follower.mistakes] == []
    assert best <= BUDGET.livez_p99_seconds


async def livez_p99_while_all_speak(server: FedProcess, followers: list[Follower], *, message_id: str) -> float:
    """Each client gets the whole text; a round in which the feed itself could not keep its pace proves nothing."""
    session_ids = [follower.session_id for follower in followers]
    with watched_livez(server) as waits:
        pace = {"count": COUNT, "per_second": BUDGET.per_second, "message_id": message_id}
        spoken = await server.told.ask("deltas", session_ids=session_ids, **pace)
        await asyncio.gather(*(hear_all(follower, message_id) for follower in followers))
    return percentile(waits, 0.99) if spoken["seconds"] < 1.5 * BUDGET.seconds else float("inf")


async def hear_all(follower: Follower, message_id: str) -> None:
    await follower.wait_until(lambda: end_of(follower.told[-1]) == len(WHOLE))
    assert text_of(follower, message_id) == WHOLE


def end_of(frame: dict[str, Any]) -> int:
    return int(frame["offset"]) + len(frame["text"]) if frame["type"] == "text_delta" else 0


def text_of(follower: Follower, message_id: str) -> str:
    """As a client puts it together: what comes at an offset that it has replaces what was there."""
    text = ""
    for frame in follower.told:
        if frame.get("message_id") == message_id:
            assert frame["offset"] <= len(text)
            text = text[: frame["offset"]] + frame["text"]
    return text
