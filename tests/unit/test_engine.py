"""The engine with workflows of its own, on its real database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from vgproject.agents.base import Json, Steps, TaskInput
from vgproject.engine import Engine, EngineSettings
from vgproject.errors import UnavailableError
from vgproject.repositories.database_url import sqlite_file
from vgproject.utils.clock import utc_now

Work = Callable[[TaskInput, Steps], Awaitable[None]]


@asynccontextmanager
async def engine_for(path: Path, work: Work) -> AsyncIterator[Engine]:
    engine = Engine(sqlite_file(path / "engine.db"), EngineSettings(polling_seconds=0.05), work)
    await engine.launch()
    try:
        yield engine
    finally:
        await engine.close()


async def test_a_step_that_ends_during_the_drain_is_recorded_and_not_made_again(tmp_path: Path) -> None:
    made: list[str] = []
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        async def act() -> Json:
            made.append("call")
            begun.set()
            await go_on.wait()
            return "reply"

        assert await steps.run("model", act) == "reply"
        await steps.run("after", _nothing)
        ended.set()

    async with asyncio.timeout(20), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await begun.wait()
        draining = asyncio.create_task(engine.drain(10))
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="takes no new tasks"):
            engine.expect_open()
        go_on.set()
        await draining
        assert not ended.is_set()
    async with asyncio.timeout(20), engine_for(tmp_path, work):
        await ended.wait()
    assert made == ["call"]


async def test_reserved_steps_that_end_out_of_order_each_get_their_own_result_after_a_restart(tmp_path: Path) -> None:
    made: list[str] = []
    second_done, ended = asyncio.Event(), asyncio.Event()
    first_may_go = asyncio.Event()
    results: list[Json] = []

    async def work(task: TaskInput, steps: Steps) -> None:
        reserved = {name: steps.reserve(name) for name in ("first", "second")}

        async def settle(name: str) -> Json:
            if name == "first":
                await first_may_go.wait()

            async def act() -> Json:
                made.append(name)
                return name

            result = await reserved[name](act)
            if name == "second":
                second_done.set()
            return result

        results.extend(await asyncio.gather(settle("first"), settle("second")))
        ended.set()

    async with asyncio.timeout(20), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await second_done.wait()
    first_may_go.set()
    async with asyncio.timeout(20), engine_for(tmp_path, work):
        await ended.wait()
    assert results == ["first", "second"]
    assert made == ["second", "first"]


async def test_nothing_is_pickled_and_ended_tasks_are_forgotten(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        await steps.run("step", _nothing)
        ended.set()

    async with asyncio.timeout(20), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await ended.wait()
        with sqlite3.connect(tmp_path / "engine.db") as database:
            [(output, how)] = database.execute("SELECT output, serialization FROM operation_outputs").fetchall()
        assert (output, how) == ('{"value": null}', "json")
        while not await engine.forget_ended(utc_now() + timedelta(days=1)):  # noqa: ASYNC110  (the engine tells nobody when it has noted an end)
            await asyncio.sleep(0.01)
        with sqlite3.connect(tmp_path / "engine.db") as database:
            assert database.execute("SELECT count(*) FROM operation_outputs").fetchone() == (0,)


async def _nothing() -> Json:
    return None
