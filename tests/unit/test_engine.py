"""The engine with workflows of its own, on its real database."""

import asyncio
import base64
import pickle
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from databases import Postgres
from small_disk import small_disk
from vgproject.agents.base import Json, Steps, TaskInput
from vgproject.engine import Engine, EngineSettings
from vgproject.errors import ModelError, StorageError, UnavailableError, VgprojectError
from vgproject.repositories.database_url import DatabaseUrl, sqlite_file
from vgproject.utils.clock import utc_now

Work = Callable[[TaskInput, Steps], Awaitable[None]]


@asynccontextmanager
async def engine_for(place: Path | DatabaseUrl, work: Work) -> AsyncIterator[Engine]:
    url = sqlite_file(place / "engine.db") if isinstance(place, Path) else place
    engine = Engine(url, EngineSettings(polling_seconds=3600, mend_seconds=0.1), work)
    await engine.launch()
    try:
        yield engine
    finally:
        await engine.close()


async def test_a_changed_limit_is_kept_but_not_that_of_an_older_program(tmp_path: Path) -> None:
    async def kept_with(running_tasks: int) -> int:
        engine = Engine(sqlite_file(tmp_path / "engine.db"), EngineSettings(running_tasks=running_tasks), _no_work)
        await engine.launch()
        await engine.close()
        with closing(sqlite3.connect(tmp_path / "engine.db")) as database:
            [(limit,)] = database.execute("SELECT worker_concurrency FROM queues")
        return int(limit)

    assert await kept_with(3) == 3
    assert await kept_with(4) == 4
    with closing(sqlite3.connect(tmp_path / "engine.db")) as database, database:
        newer = "SELECT 'newer', 'newer', 2 * version_timestamp, created_at, application_name FROM application_versions"
        columns = "version_id, version_name, version_timestamp, created_at, application_name"
        database.execute(f"INSERT INTO application_versions ({columns}) {newer}")
    assert await kept_with(5) == 4


async def test_tasks_of_a_session_begin_one_after_another_and_none_waits_for_a_look(tmp_path: Path) -> None:
    began: list[str] = []
    ended = asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        began.append(task.task_id)
        await steps.run("step", _nothing)
        if len(began) == 5:
            ended.set()

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        for number in range(5):
            await engine.submit(TaskInput("ses", f"tsk_{number}"))
        await ended.wait()
    assert began == [f"tsk_{number}" for number in range(5)]


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

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await begun.wait()
        draining = asyncio.create_task(engine.drain(10))
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError, match="takes no new tasks"):
            engine.expect_open()
        go_on.set()
        await draining
        assert not ended.is_set()
    async with asyncio.timeout(100), engine_for(tmp_path, work):
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

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await second_done.wait()
    first_may_go.set()
    async with asyncio.timeout(100), engine_for(tmp_path, work):
        await ended.wait()
    assert results == ["first", "second"]
    assert made == ["second", "first"]


async def test_nothing_is_pickled_and_ended_tasks_are_forgotten(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        await steps.run("step", _nothing)
        ended.set()

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await ended.wait()
        with sqlite3.connect(tmp_path / "engine.db") as database:
            [(output, how)] = database.execute("SELECT output, serialization FROM operation_outputs").fetchall()
        assert (output, how) == ('{"value": null}', "json")
        while not await engine.forget_ended(utc_now() + timedelta(days=1)):  # noqa: ASYNC110  (the engine tells nobody when it has noted an end)
            await asyncio.sleep(0.01)
        with sqlite3.connect(tmp_path / "engine.db") as database:
            assert database.execute("SELECT count(*) FROM operation_outputs").fetchone() == (0,)


class Planted:
    """As a pickle: makes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self._path), "w")


async def test_a_pickle_planted_in_the_database_is_not_loaded_and_disturbs_no_other_task(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    pickled = base64.b64encode(pickle.dumps(Planted(trace))).decode()
    begun, refused, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    go_on = asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        try:
            await steps.run("step", _nothing)
        except TypeError:
            refused.set()
            raise
        if task.session_id == "last":
            begun.set()
        await go_on.wait()
        ended.set()

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        for session_id in ("arguments", "result", "last"):
            await engine.submit(TaskInput(session_id, f"tsk_{session_id}"))
        await begun.wait()
    with closing(sqlite3.connect(tmp_path / "engine.db")) as database, database:
        for statement in (
            "UPDATE operation_outputs SET output = ?, serialization = 'py_pickle' WHERE workflow_uuid = 'tsk_result/1'",
            "UPDATE workflow_status SET inputs = ?, serialization = 'py_pickle' WHERE workflow_uuid = 'tsk_arguments/1'",
        ):
            assert database.execute(statement, (pickled,)).rowcount == 1
    go_on.set()
    async with asyncio.timeout(100), engine_for(tmp_path, work):
        await refused.wait()
        await ended.wait()
    assert not trace.exists()


async def test_a_task_goes_on_in_a_program_whose_source_has_changed(database_url: DatabaseUrl) -> None:
    made: list[str] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def before(task: TaskInput, steps: Steps) -> None:
        await steps.run("first", partial(_make, made, "first"))
        begun.set()
        await asyncio.Event().wait()

    async def after(task: TaskInput, steps: Steps) -> None:
        """Another source, with the same steps."""
        assert await steps.run("first", partial(_make, made, "again")) == "first"
        await steps.run("second", partial(_make, made, "second"))
        ended.set()

    async with asyncio.timeout(100), engine_for(database_url, before) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await begun.wait()
    async with asyncio.timeout(100), engine_for(database_url, after):
        await ended.wait()
    assert made == ["first", "second"]


async def test_a_step_that_failed_fails_again_without_being_made_again(tmp_path: Path) -> None:
    made: list[str] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def act() -> Json:
        made.append("call")
        raise ModelError("The model is gone.", code="model_unreachable", retryable=True)

    async def work(task: TaskInput, steps: Steps) -> None:
        with pytest.raises(VgprojectError, match="The model is gone") as failure:
            await steps.run("model", act)
        assert (failure.value.code, failure.value.retryable) == ("model_unreachable", True)
        if begun.is_set():
            ended.set()
        begun.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "tsk"))
        await begun.wait()
    async with asyncio.timeout(100), engine_for(tmp_path, work):
        await ended.wait()
    assert made == ["call"]


async def test_tasks_of_one_session_run_one_after_the_other_also_after_a_crash(tmp_path: Path) -> None:
    begun: list[str] = []
    ended: list[str] = []
    first_may_end = asyncio.Event()
    running, all_ended = asyncio.Event(), asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        begun.append(task.task_id)
        if set(begun) >= {"a1", "b1"}:
            running.set()
        if task.task_id != "a2":
            await first_may_end.wait()
        ended.append(task.task_id)
        if len(ended) == 3:
            all_ended.set()

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        for session_id, task_id in (("a", "a1"), ("a", "a2"), ("b", "b1")):
            await engine.submit(TaskInput(session_id, task_id))
        await running.wait()
    assert sorted(begun) == ["a1", "b1"]
    begun.clear()
    running.clear()
    async with asyncio.timeout(100), engine_for(tmp_path, work):
        await running.wait()
        first_may_end.set()
        await all_ended.wait()
    assert sorted(begun[:2]) == ["a1", "b1"]
    assert ended.index("a1") < ended.index("a2")


async def test_a_step_whose_result_found_no_room_is_made_again_once_there_is_some(tmp_path: Path) -> None:
    made: list[str] = []
    stops: list[str] = []
    results: list[Json] = []
    stopped, ended = asyncio.Event(), asyncio.Event()

    with small_disk(tmp_path / "disk", megabytes=8) as disk:

        async def work(task: TaskInput, steps: Steps) -> None:
            try:
                results.append(await steps.run("large", act))
            except StorageError as error:
                stops.append(error.code)
                stopped.set()
                raise
            ended.set()

        async def act() -> Json:
            if not made:
                disk.fill(leave_bytes=200_000)
            made.append("large")
            return "x" * 2_000_000

        async with asyncio.timeout(100), engine_for(disk.path, work) as engine:
            await engine.submit(TaskInput("ses", "tsk"))
            await stopped.wait()
            with pytest.raises(StorageError, match="is full"):
                await engine.check()
            disk.free()
            await engine.check()
            await ended.wait()
            ended.clear()
            await engine.submit(TaskInput("ses", "next"))
            await ended.wait()
    assert stops == ["disk_full"]
    assert made == ["large", "large", "large"]
    assert [len(result) for result in results] == [2_000_000, 2_000_000]


async def test_a_task_that_the_queue_did_not_take_is_queued_by_itself(tmp_path: Path) -> None:
    begun: list[str] = []
    ended = asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        begun.append(task.task_id)
        ended.set()

    with small_disk(tmp_path / "disk", megabytes=8) as disk:
        async with asyncio.timeout(100), engine_for(disk.path, work) as engine:
            disk.fill()
            phase = "p" * 2_000_000
            await engine.submit(TaskInput("ses", "large", from_phase=phase))
            await engine.submit(TaskInput("ses", "taken_back", from_phase=phase))
            await engine.cancel_queued(TaskInput("ses", "taken_back"))
            assert begun == []
            disk.free()
            await ended.wait()
            ended.clear()
            await engine.submit(TaskInput("ses", "last"))
            await ended.wait()
    assert begun == ["large", "last"]


async def test_a_task_whose_log_was_away_goes_on_while_those_behind_it_wait(tmp_path: Path) -> None:
    made: list[str] = []
    begun: list[str] = []
    ended = asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        begun.append(task.task_id)
        await steps.run("first", partial(_make, made, f"first of {task.task_id}"))
        if begun == ["one"]:

            async def store() -> Json:
                raise StorageError("The database does not answer.")

            await steps.run("second", store)
        await steps.run("second", partial(_make, made, f"second of {task.task_id}"))
        if task.task_id == "two":
            ended.set()

    async with asyncio.timeout(100), engine_for(tmp_path, work) as engine:
        await engine.submit(TaskInput("ses", "one"))
        await engine.submit(TaskInput("ses", "two"))
        await ended.wait()
    assert begun == ["one", "one", "two"]
    assert made == ["first of one", "second of one", "first of two", "second of two"]


async def test_a_task_goes_on_after_its_database_server_was_away() -> None:
    made: list[str] = []
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(task: TaskInput, steps: Steps) -> None:
        begun.set()
        await go_on.wait()
        await steps.run("step", partial(_make, made, "step"))
        ended.set()

    postgres = Postgres()
    try:
        async with asyncio.timeout(150), engine_for(postgres.create_database(), work) as engine:
            await engine.submit(TaskInput("ses", "tsk"))
            await begun.wait()
            postgres.stop()
            with pytest.raises(StorageError, match="does not answer"):
                await engine.check()
            go_on.set()
            postgres.start()
            await ended.wait()
            await engine.check()
    finally:
        postgres.close()
    assert made == ["step"]


async def _make(made: list[str], what: str) -> Json:
    made.append(what)
    return what


async def _nothing() -> Json:
    return None


async def _no_work(task: TaskInput, steps: Steps) -> None:
    """Nothing to do."""
