"""Tasks through the services, with real files, git and commands; only the model is scripted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from databases import put_tables
from sample import TEST_COMMAND, call, make_project, model_calls, script, write_script
from vgproject.access.permissions import Caller
from vgproject.bootstrap import Services, open_services
from vgproject.config import load_config
from vgproject.errors import ConflictError
from vgproject.event_log import StoredEvent
from vgproject.knowledge.namespaces import of_project
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.schema import commands as c
from vgproject.schema.frames import EventFrame
from vgproject.schema.settings import SessionSettings

OWNER = Caller("owner", "owner")
ENDS = {"task_completed", "task_failed", "task_cancelled"}


@asynccontextmanager
async def services_for(
    tmp_path: Path, *, environ: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Services]:
    project = tmp_path / "project"
    if not project.exists():
        make_project(project)
    given = {
        "home": tmp_path / "home",
        "project": project,
        "llm": {"first_delay_seconds": 0},
        **options,
        "memory": {"embeddings": "none", **options.get("memory", {})},
    }
    if "database_url" not in options:
        put_tables(tmp_path / "home" / "vgproject.db")
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", **(environ or {})}
    async with open_services(load_config(given, environ)) as services:
        yield services


async def wait_for(services: Services, session_id: str, *types: str, after: int = 0) -> list[EventFrame]:
    """The session's events up to the first of one of ``types`` after ``after``."""
    frames: list[EventFrame] = []

    def take(events: list[StoredEvent]) -> bool:
        frames.extend(event.frame() for event in events)
        return any(frame.type in types and frame.seq > after for frame in frames)

    async with asyncio.timeout(100):
        async for events in services.event_log.follow(session_id, after=0):
            if take(events):
                break
    return frames


async def start(services: Services, content: str = "Make the failing test pass", **settings: Any) -> str:
    command = c.TaskCommand(content=content, settings=SessionSettings(**settings))
    return str((await services.sessions.execute(command, OWNER))["session_id"])


async def test_a_task_is_researched_planned_and_implemented(tmp_path: Path, database_url: DatabaseUrl) -> None:
    model = write_script(tmp_path, script())
    options: dict[str, Any] = {
        "approvals": "never",
        "test_command": TEST_COMMAND,
        "database_url": database_url.for_driver,
    }
    async with services_for(tmp_path, model=model, **options) as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
        types = [frame.type for frame in frames]
        diff = await services.sessions.diff(session_id, OWNER)
        await services.sessions.apply(session_id, OWNER)

    assert types[-1] == "task_completed"
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    milestones = ("research_complete", "planning_complete", "implementation_complete")
    assert [kind for kind in types if kind in milestones] == list(milestones)
    assert frames[-1].data["tests"]["passed"] is True
    percents = [frame.data["percent"] for frame in frames if frame.type == "progress_update"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert "+    return a + b" in diff
    assert (tmp_path / "project" / "calc.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert len(model_calls(model)) == 6


async def test_research_that_finds_nothing_to_implement_ends_early(tmp_path: Path) -> None:
    submit = call("submit_research", notes="It is a calculator.", needs_implementation=False)
    model = write_script(tmp_path, script(research=[{"tool_calls": [submit]}]))
    async with services_for(tmp_path, model=model, approvals="untrusted") as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert [frame.data["phase"] for frame in frames if frame.type == "phase_skipped"] == ["planning", "implementation"]
    assert frames[-1].data["result"] == "It is a calculator."


async def test_a_failed_phase_says_why_and_can_be_retried(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(planning=[]))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
        assert frames[-1].type == "task_failed"
        assert frames[-1].data["error"]["code"] == "script_exhausted"
        assert [frame.data["phase"] for frame in frames if frame.type == "phase_failed"] == ["planning"]

        better = write_script(tmp_path / "better", script())
        await services.sessions.execute(
            c.UpdateSettings(session_id=session_id, settings=SessionSettings(model=better)), OWNER
        )
        await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS, after=frames[-1].seq)
    assert frames[-1].type == "task_completed"
    assert [call["phase"] for call in model_calls(better)] == ["planning", *["implementation"] * 3]


async def test_a_command_waits_for_its_approval_and_the_first_answer_wins(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="untrusted") as services:
        session_id = await start(services)
        asked = (await wait_for(services, session_id, "approval_requested"))[-1]
        while asked.type != "approval_requested":
            asked = (await wait_for(services, session_id, "approval_requested"))[-1]
        answer = c.ResolveApproval(
            session_id=session_id, approval_id=asked.data["approval_id"], decision="deny", reason="not now"
        )
        await services.sessions.execute(answer, OWNER)
        with pytest.raises(ConflictError, match="answered already: deny by owner"):
            await services.sessions.execute(answer, OWNER)
        frames = await wait_for(services, session_id, *ENDS)
    [failed] = [frame for frame in frames if frame.type == "tool_failed"]
    assert failed.data["code"] == "denied"
    assert "not now" in failed.data["message"]


async def test_what_is_approved_for_the_session_is_not_asked_again_in_it(tmp_path: Path) -> None:
    implementation = script()["phases"]["implementation"]
    implementation[1:1] = [{"tool_calls": [call("run_command", command=TEST_COMMAND)]}]
    model = write_script(tmp_path, script(implementation=implementation))
    async with services_for(tmp_path, model=model, approvals="untrusted") as services:
        session_id = await start(services)
        asked = next(
            frame
            for frame in await wait_for(services, session_id, "approval_requested")
            if frame.type == "approval_requested"
        )
        approval_id = asked.data["approval_id"]
        await services.sessions.execute(
            c.ResolveApproval(session_id=session_id, approval_id=approval_id, decision="approve_for_session"), OWNER
        )
        ended = (await wait_for(services, session_id, *ENDS))[-1]
        await services.sessions.execute(c.TaskCommand(session_id=session_id, content="Again"), OWNER)
        frames = await wait_for(services, session_id, *ENDS, after=ended.seq)
    assert [frame.type for frame in frames if frame.type in ENDS] == ["task_completed"] * 2
    assert [frame.data["approval_id"] for frame in frames if frame.type == "approval_requested"] == [approval_id]
    ran = [frame for frame in frames if frame.type == "tool_completed" and frame.data["tool"] == "run_command"]
    assert len(ran) == 4


async def test_a_running_command_is_cancelled_at_once_and_what_it_changed_is_a_checkpoint(tmp_path: Path) -> None:
    waiting = [{"tool_calls": [call("run_command", command="echo half > half.txt; echo begun; sleep 60")]}]
    model = write_script(tmp_path, script(implementation=waiting))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        while not any(delta["type"] == "tool_output_delta" for delta in services.broker.partial(session_id)):
            await wait_for(services, session_id, "tool_started")
            await asyncio.sleep(0.01)
        await services.sessions.execute(c.Cancel(session_id=session_id, reason="enough"), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
    assert (frames[-1].type, frames[-1].data["reason"]) == ("task_cancelled", "enough")
    [kept] = [frame.data for frame in frames if frame.type == "checkpoint_created"]
    assert kept["files"] == ["half.txt"]


async def test_a_steered_message_reaches_the_model_at_its_next_turn(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="untrusted") as services:
        session_id = await start(services)
        asked = [
            f for f in await wait_for(services, session_id, "approval_requested") if f.type == "approval_requested"
        ]
        await services.sessions.execute(c.Message(session_id=session_id, content="Mind the gap"), OWNER)
        approve = c.ResolveApproval(session_id=session_id, approval_id=asked[0].data["approval_id"], decision="approve")
        await services.sessions.execute(approve, OWNER)
        await wait_for(services, session_id, *ENDS)
        async with services.database.unit_of_work() as work:
            turns = await work.turns.list_turns(session_id)
    assert "Mind the gap" in str([turn.request for turn in turns if turn.phase == "implementation"][-1])


async def test_a_stream_that_is_cut_is_withdrawn_and_asked_again(tmp_path: Path) -> None:
    research = script()["phases"]["research"]
    research[0] |= {"fail": [{"status": "cut", "after_chunks": 1}, {"status": 429}]}
    model = write_script(tmp_path, script(research=research))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert frames[-1].type == "task_completed"
    assert [frame.data["reason"] for frame in frames if frame.type == "model_retried"] == [
        "The stream was cut.",
        "The model answered 429.",
    ]


async def test_a_budget_that_is_used_up_pauses_the_task_until_it_is_raised(tmp_path: Path) -> None:
    research = script()["phases"]["research"]
    research[0] |= {"cost_usd": 2.0}
    model = write_script(tmp_path, script(research=research))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        created = await services.sessions.execute(c.CreateSession(settings=SessionSettings(max_cost_usd=1.0)), OWNER)
        session_id = str(created["session_id"])
        await services.sessions.execute(c.TaskCommand(session_id=session_id, content="Mend it"), OWNER)
        frames = await wait_for(services, session_id, "task_paused")
        assert (await services.sessions.get_session(session_id, OWNER)).status == "needs_you"
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, "task_paused", after=frames[-1].seq)
        assert (await services.sessions.get_session(session_id, OWNER)).status == "needs_you"
        raised = c.UpdateSettings(session_id=session_id, settings=SessionSettings(max_cost_usd=10.0))
        await services.sessions.execute(raised, OWNER)
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        assert (await services.sessions.get_session(session_id, OWNER)).status == "idle"
    assert frames[-1].type == "task_completed"
    assert [frame.data["limit"] for frame in frames if frame.type == "budget_exceeded"] == ["cost_usd", "cost_usd"]


async def test_a_repeated_command_has_no_second_effect(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        command = c.TaskCommand(id="c1", content="Make the failing test pass")
        first = await services.sessions.execute(command, OWNER, scope="owner/c1")
        again = await services.sessions.execute(command, OWNER, scope="owner/c1")
        assert again == {**first, "duplicate": True}
        assert len(await services.sessions.list_sessions(OWNER)) == 1
        await wait_for(services, str(first["session_id"]), *ENDS)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("model", "model_unreachable"),
        ("output", "invalid_output"),
        ("bug", "internal_error"),
        ("time", "phase_timeout"),
        ("cancel", "cancelled"),
    ],
)
async def test_a_failing_phase_says_why_and_merges_nothing(tmp_path: Path, kind: str, code: str) -> None:
    model = write_script(tmp_path, script())
    planning = {
        "strategy": "failing:FailingStrategy",
        "timeout_seconds": 0.2 if kind == "time" else 60,
    }
    async with services_for(tmp_path, model=model, approvals="never", phases={"planning": planning}) as services:
        session_id = await start(services, kind)
        if kind == "cancel":
            seen = await wait_for(services, session_id, "research_complete")
            await wait_for(services, session_id, "phase_started", after=seen[-1].seq)
            await services.sessions.execute(c.Cancel(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        view = await services.sessions.get_session(session_id, OWNER)
        entries = await services.memory.list_entries(of_project(view.project))

    assert frames[-1].type == ("task_cancelled" if kind == "cancel" else "task_failed")
    assert [(f.data["phase"], f.data["error"]["code"]) for f in frames if f.type == "phase_failed"] == [
        ("planning", code)
    ]
    assert [(f.data["scope"], f.data["code"]) for f in frames if f.type == "error"] == [("phase", code)]
    assert [f.type for f in frames if f.type == "research_complete"] == ["research_complete"]
    assert "hunter2" not in str(frames)
    assert view.status == "idle"
    assert "This is not certain." not in [entry.content for entry in entries]
    assert "calc.add is wrong" in [entry.content for entry in entries]


async def test_a_retry_goes_on_from_the_failed_phase(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    planning = {"strategy": "failing:FailingStrategy"}
    async with services_for(tmp_path, model=model, approvals="never", phases={"planning": planning}) as services:
        session_id = await start(services, "model")
        failed = (await wait_for(services, session_id, *ENDS))[-1]
    async with services_for(tmp_path, model=model, approvals="never") as services:
        answer = await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS, after=failed.seq)
    assert answer["phase"] == "planning"
    assert frames[-1].type == "task_completed"
    assert [f.data["phase"] for f in frames if f.type == "phase_started"] == [
        "research",
        "planning",
        "planning",
        "implementation",
    ]


async def test_a_long_request_and_a_long_message_reach_the_model_whole(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="untrusted") as services:
        session_id = await start(services, content="x" * 100_000 + "END OF REQUEST")
        asked = next(
            f for f in await wait_for(services, session_id, "approval_requested") if f.type == "approval_requested"
        )
        message = c.Message(session_id=session_id, content="y" * 100_000 + "END OF MESSAGE")
        await services.sessions.execute(message, OWNER)
        approve = c.ResolveApproval(session_id=session_id, approval_id=asked.data["approval_id"], decision="approve")
        await services.sessions.execute(approve, OWNER)
        await wait_for(services, session_id, *ENDS)
        async with services.database.unit_of_work() as work:
            turns = await work.turns.list_turns(session_id)
    assert "END OF REQUEST" in str(turns[0].request)
    assert "END OF MESSAGE" in str([turn.request for turn in turns if turn.phase == "implementation"][-1])
