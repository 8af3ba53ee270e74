"""How phases are chosen and done: each setting of a phase is obeyed, and a wrong one stops the start."""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import TEST_COMMAND, call, make_project, model_calls, script, write_script
from vgproject.agents.base import Action, Json, TaskInput
from vgproject.agents.context import ProgressSpan
from vgproject.agents.reporter import Reporter
from vgproject.bootstrap import open_parts
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import load_config
from vgproject.errors import BadInputError, ConfigError
from vgproject.event_log import EventLog, NewEvent, StoredEvent, open_event_log
from vgproject.models.tables import SessionRow
from vgproject.repositories.database_url import sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema import commands as c
from vgproject.schema.base import Actor
from vgproject.schema.events import TaskQueued
from vgproject.schema.frames import EventFrame
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id


async def run_task(tmp_path: Path, content: dict[str, Any] | None = None, **options: Any) -> list[EventFrame]:
    model = options.pop("model", None) or write_script(tmp_path, content or script())
    async with services_for(tmp_path, model=model, approvals="never", **options) as services:
        return await wait_for(services, await start(services), *ENDS)


def data_of(frames: list[EventFrame], kind: str) -> list[dict[str, Any]]:
    return [frame.data for frame in frames if frame.type == kind]


@pytest.mark.parametrize("name", ["quick", "strategies:QuickResearch"])
async def test_a_strategy_is_an_entry_point_or_a_dotted_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    installed = tmp_path / "site" / "quick-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: quick\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[vgproject.strategies]\nquick = strategies:QuickResearch\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    importlib.invalidate_caches()
    frames = await run_task(tmp_path, phases={"research": {"strategy": name}})
    assert data_of(frames, "research_complete")[0]["notes"] == "quick"
    assert frames[-1].type == "task_completed"


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ({"phases": {"research": {"strategy": "evil"}}}, "no_such_strategy", "There is no strategy 'evil'"),
        ({"phases": {"research": {"strategy": "evil.module"}}}, "no_such_strategy", "or package.module:Class"),
        ({"phases": {"research": {"strategy": "gone:Class"}}}, "no_such_strategy", "cannot be loaded"),
        ({"phases": {"research": {"tools": ["rm"]}}}, "no_such_tool", "tools names 'rm'"),
        ({"phases": {"reserch": {"max_turns": 3}}}, "no_such_strategy", r"\[phases.reserch\]"),
        ({"models": {"reserch": "ollama:x"}}, "no_such_strategy", "models.reserch"),
        ({"pipelines": {"mine": ["research", "evil"]}}, "no_such_strategy", "pipeline 'mine'"),
        ({"pipelines": {"mine": ["research", "research"]}}, "invalid_option", "twice"),
    ],
)
async def test_what_a_phase_could_only_fail_on_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], code: str, sentence: str
) -> None:
    """A module in the current directory whose name is given is not imported."""
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with pytest.raises(ConfigError, match=sentence) as raised:
        async with services_for(tmp_path, **options):
            pass
    assert raised.value.code == code
    assert "evil" not in sys.modules
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["vgproject.db"], "as it was put there"


async def test_a_phase_has_its_own_model_and_tools(tmp_path: Path) -> None:
    other = write_script(tmp_path / "other", script())
    phases = {"research": {"model": other, "tools": ["read_file"]}}
    frames = await run_task(tmp_path, phases=phases)
    started = {data["phase"]: data["model"] for data in data_of(frames, "phase_started")}
    assert started["research"] == other != started["planning"]
    assert {made["phase"] for made in model_calls(other)} == {"research"}


async def test_a_tool_that_a_phase_may_not_use_is_not_run(tmp_path: Path) -> None:
    frames = await run_task(tmp_path, phases={"research": {"tools": ["read_file"]}})
    failed = [(data["tool"], data["code"]) for data in data_of(frames, "tool_failed")]
    assert failed == [("list_files", "unknown_tool")]


async def test_a_phase_holds_at_its_turns(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    phases = {"research": {"max_turns": 1}}
    async with services_for(tmp_path, model=model, approvals="never", phases=phases) as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, "task_paused")
        assert data_of(frames, "budget_exceeded") == [{"limit": "turns", "allowed": 1, "used": 1, "scope": "phase"}]
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        assert (await wait_for(services, session_id, *ENDS))[-1].type == "task_completed"


async def test_a_conversation_that_grows_too_long_is_compacted_and_says_what_is_dropped(tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    (tmp_path / "project" / "big.txt").write_text("a line\n" * 500)
    looks = [{"tool_calls": [call("read_file", path="big.txt", limit=500 + number)]} for number in range(8)]
    content = script(research=[*looks, script()["phases"]["research"][1]])
    options = {"take_uncommitted": True, "phases": {"research": {"context_tokens": 10_000}}}
    frames = await run_task(tmp_path, content, **options)
    [told, *_] = data_of(frames, "context_compacted")
    assert told["tokens_before"] > 10_000 > told["tokens_after"]
    assert told["dropped"][0].startswith("The result of read_file, ")
    assert frames[-1].type == "task_completed"


async def test_a_budget_resumed_without_a_raise_holds_again(tmp_path: Path) -> None:
    research = script()["phases"]["research"]
    research[0] |= {"cost_usd": 2.0}
    model = write_script(tmp_path, script(research=research))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services, max_cost_usd=1.0)
        paused = (await wait_for(services, session_id, "task_paused"))[-1]
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, "task_paused", after=paused.seq)
        assert len(data_of(frames, "budget_exceeded")) == 2
        await services.sessions.execute(c.Cancel(session_id=session_id), OWNER)
        await wait_for(services, session_id, *ENDS)


@pytest.mark.parametrize(("retries", "end"), [(0, "task_failed"), (1, "task_completed")])
async def test_a_phase_is_begun_again_as_often_as_it_may(tmp_path: Path, retries: int, end: str) -> None:
    phases = {"research": {"strategy": "strategies:Flaky", "retries": retries}}
    frames = await run_task(tmp_path, phases=phases)
    assert [data["attempt"] for data in data_of(frames, "phase_retrying")] == [2] * retries
    assert frames[-1].type == end


async def test_a_pipeline_of_ones_own_ends_its_added_phase_with_phase_complete(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    options: dict[str, Any] = {
        "pipelines": {"reviewed": ["research", "review"]},
        "phases": {"review": {"strategy": "strategies:ReviewStrategy"}},
    }
    async with services_for(tmp_path, model=model, approvals="never", **options) as services:
        answer = await services.sessions.execute(c.TaskCommand(content="Look", pipeline="reviewed"), OWNER)
        frames = await wait_for(services, str(answer["session_id"]), *ENDS)
    output = {"base_task": "Look", "model": model, "thread_id": "review/1", "notes": "`add` subtracts."}
    assert data_of(frames, "phase_complete") == [{"phase": "review", "output": output}]
    assert data_of(frames, "progress_update")[-1]["percent"] == 100


@pytest.mark.parametrize(
    ("only", "skipped", "result"),
    [
        ({"research_only": True}, ["planning", "implementation"], "`add` subtracts."),
        ({"plan_only": True}, ["implementation"], "Add instead of subtracting."),
    ],
)
async def test_a_task_ends_where_it_was_asked_to(
    tmp_path: Path, only: dict[str, bool], skipped: list[str], result: str
) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        answer = await services.sessions.execute(c.TaskCommand(content="Look", **only), OWNER)
        frames = await wait_for(services, str(answer["session_id"]), *ENDS)
    assert [(frame.phase, frame.data["phase"]) for frame in frames if frame.type == "phase_skipped"] == [
        (phase, phase) for phase in skipped
    ]
    assert data_of(frames, "task_completed")[0]["result"] == result
    assert data_of(frames, "progress_update")[-1]["percent"] == 100


async def test_a_retry_names_the_phase_that_it_begins_with(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(implementation=[]))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        failed = (await wait_for(services, session_id, *ENDS))[-1]
        with pytest.raises(BadInputError, match="no phase 'review'"):
            await services.sessions.execute(c.Retry(session_id=session_id, phase="review"), OWNER)
        await services.sessions.execute(c.Retry(session_id=session_id, phase="planning"), OWNER)
        frames = await wait_for(services, session_id, *ENDS, after=failed.seq)
    began = [data["phase"] for data in data_of(frames, "phase_started")]
    assert began == ["research", "planning", "implementation", "planning", "implementation"]
    percents = [data["percent"] for data in data_of(frames, "progress_update")]
    assert percents == sorted(percents)


async def test_a_retry_knows_the_phases_of_the_tasks_own_pipeline(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(implementation=[]))
    pipelines = {"short": ["research", "implementation"]}
    async with services_for(tmp_path, model=model, approvals="never", pipelines=pipelines) as services:
        answer = await services.sessions.execute(c.TaskCommand(content="Mend it", pipeline="short"), OWNER)
        session_id = str(answer["session_id"])
        await wait_for(services, session_id, *ENDS)
        with pytest.raises(BadInputError, match="one of research, implementation"):
            await services.sessions.execute(c.Retry(session_id=session_id, phase="planning"), OWNER)
        retried = await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
    assert retried["phase"] == "implementation"


async def test_the_servers_run_of_the_tests_is_seen_as_a_tool_call(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    heard: list[str] = []

    class Ear:
        def on_wake(self, seq: int) -> None: ...

        def on_delta(self, delta: dict[str, Any]) -> None:
            if delta["type"] == "tool_output_delta":
                heard.append(delta["tool_call_id"])

    command = f"echo green; {TEST_COMMAND}"
    async with services_for(tmp_path, model=model, approvals="never", test_command=command) as services:
        session_id = await start(services, "Listen")
        stop = services.broker.listen(session_id, Ear())
        frames = await wait_for(services, session_id, *ENDS)
        stop()
    [requested] = [data for data in data_of(frames, "tool_requested") if data["tool"] == "run_tests"]
    mine = [frame for frame in frames if frame.data.get("tool_call_id") == requested["tool_call_id"]]
    assert [frame.type for frame in mine] == ["tool_requested", "tool_started", "tool_completed"]
    assert requested["arguments"] == {"command": command}
    tests = {"tool": "unittest", "passed": 1, "failed": 0, "skipped": 0, "errors": 0, "failing": []}
    assert mine[-1].data["details"] == {"exit_code": 0, "tests": tests}
    [ran] = [data["tests"] for data in data_of(frames, "implementation_complete")]
    assert (ran["passed"], ran["summary"], ran["found"]) == (True, tests, False)
    [by_the_agent] = [data for data in data_of(frames, "tool_completed") if data["tool"] == "run_command"]
    assert by_the_agent["details"]["tests"] == tests
    assert mine[-1].data["result"].startswith("green\n")
    assert requested["tool_call_id"] in heard


class Direct:
    """Steps that are simply run."""

    async def run(self, name: str, action: Action) -> Json:
        return await action()

    def reserve(self, name: str) -> Callable[[Action], Awaitable[Json]]:
        return lambda action: self.run(name, action)


async def test_a_time_out_that_was_told_stays_one_after_a_crash(tmp_path: Path) -> None:
    """The process ends between the phase's failure and the task's end; then the phase would have time enough."""
    project = make_project(tmp_path / "project")
    options = {
        "home": tmp_path / "home",
        "project": project,
        "model": write_script(tmp_path, script()),
        "memory": {"embeddings": "none"},
    }
    endless = {"research": {"strategy": "strategies:Endless", "timeout_seconds": 0.05}}
    quick = {"research": {"strategy": "strategies:QuickResearch"}}
    task, told = TaskInput("ses_1", "tsk_1"), asyncio.Event()

    def observe(event: StoredEvent) -> None:
        if event.type == "phase_failed":
            running.cancel()
            told.set()

    async with asyncio.timeout(100), open_parts(load_config({**options, "phases": endless}, {})) as parts:
        await add_session(parts.database, task.session_id, project)
        queued = NewEvent(TaskQueued(content="x"), Actor(kind="user", id="owner"), task_id=task.task_id)
        await parts.event_log.append(task.session_id, [queued])
        parts.event_log.observe(observe)
        running = asyncio.ensure_future(parts.pipeline.run_task(task, Direct()))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert told.is_set()
        assert await parts.event_log.find(task.session_id, f"{task.key}/end") is None
    async with asyncio.timeout(100), open_parts(load_config({**options, "phases": quick}, {})) as parts:
        await parts.pipeline.run_task(task, Direct())
        end = await parts.event_log.find(task.session_id, f"{task.key}/end")
    assert end is not None
    assert (end.type, end.frame().data["error"]["code"]) == ("task_failed", "phase_timeout")


async def add_session(database: Database, session_id: str, project: Path) -> None:
    now = utc_now()
    async with database.unit_of_work() as work:
        work.sessions.add(
            SessionRow(
                id=session_id,
                project=str(project),
                title="t",
                owner="owner",
                settings={},
                epoch="e",
                created_at=now,
                updated_at=now,
            )
        )
        await work.commit()


shares = st.lists(st.floats(-1, 2), max_size=4)
spans = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), shares), max_size=4)


@settings(deadline=None, max_examples=25)
@given(attempts=st.lists(spans, min_size=1, max_size=3))
def test_progress_never_falls_over_spans_and_attempts_and_ends_at_100(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[list[tuple[float, float, list[float]]]]
) -> None:
    percents = asyncio.run(report(tmp_path_factory.mktemp("log"), attempts))
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(0 <= percent <= 100 for percent in percents)


async def report(directory: Path, attempts: list[list[tuple[float, float, list[float]]]]) -> list[float]:
    """Each attempt goes on from the percent that the one before reached."""
    database = Database(sqlite_file(directory / "vgproject.db"))
    await database.upgrade()
    await add_session(database, "ses_1", directory)
    async with open_event_log(database.url, InProcessBroker(), now=utc_now, new_id=new_id) as event_log:
        for number, steps in enumerate(attempts, start=1):
            reached = (await told(event_log))[-1:]
            reporter = Reporter(event_log, TaskInput("ses_1", "tsk_1", number), percent=max(reached, default=0.0))
            for index, (begin, end, at) in enumerate(steps):
                for place, share in enumerate(at):
                    await reporter.send_progress(ProgressSpan(begin, end).at(share), "x", f"{index}/{place}")
        await reporter.send_progress(100, "Done", "done")
        percents = await told(event_log)
    await database.close()
    return percents


async def told(event_log: EventLog) -> list[float]:
    return [event.frame().data["percent"] for event in await event_log.read("ses_1", after=0)]
