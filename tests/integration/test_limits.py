"""Budgets, time-outs of approvals and agents that get nowhere: the task pauses, asks, and goes on."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.test_phases import Direct, add_session, data_of
from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import call, make_project, model_calls, script, write_script
from vgproject.agents.base import TaskInput
from vgproject.bootstrap import Services, open_parts
from vgproject.config import load_config
from vgproject.errors import ConflictError
from vgproject.event_log import NewEvent, StoredEvent
from vgproject.schema import commands as c
from vgproject.schema.base import Actor
from vgproject.schema.events import TaskQueued
from vgproject.schema.frames import EventFrame
from vgproject.schema.settings import Budget, SessionSettings
from vgproject.utils.clock import utc_now


def research_with(**first: Any) -> list[dict[str, Any]]:
    replies: list[dict[str, Any]] = script()["phases"]["research"]
    replies[0] |= first
    return replies


async def asked(services: Services, session_id: str, kind: str) -> EventFrame:
    return next(frame for frame in await wait_for(services, session_id, kind) if frame.type == kind)


@pytest.mark.parametrize(
    ("settings", "raised", "limit", "scope"),
    [
        ({"max_cost_usd": 1.0}, {"max_cost_usd": 9.0}, "cost_usd", "task"),
        ({"max_tokens": 100}, {"max_tokens": 900}, "tokens", "task"),
        ({"max_task_turns": 1}, {"max_task_turns": 90}, "turns", "task"),
        ({"max_seconds": 0.001}, {"max_seconds": 900.0}, "seconds", "task"),
        (
            {"phase_budgets": {"research": Budget(tokens=100, turns=50)}},
            {"phase_budgets": {"research": Budget(tokens=900)}},
            "tokens",
            "phase",
        ),
    ],
)
async def test_a_used_up_budget_of_the_task_itself_is_raised_and_the_task_goes_on(
    tmp_path: Path, settings: dict[str, Any], raised: dict[str, Any], limit: str, scope: str
) -> None:
    research = research_with(cost_usd=2.0, input_tokens=150, token_delay_ms=1)
    model = write_script(tmp_path, script(research=research))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services, **settings)
        frames = await wait_for(services, session_id, "task_paused")
        [exceeded] = data_of(frames, "budget_exceeded")
        assert (exceeded["limit"], exceeded["scope"]) == (limit, scope)
        assert (await services.sessions.get_session(session_id, OWNER)).status == "needs_you"
        update = c.UpdateSettings(session_id=session_id, settings=SessionSettings(**raised))
        await services.sessions.execute(update, OWNER)
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
    assert frames[-1].type == "task_completed"
    assert len(data_of(frames, "budget_exceeded")) == 1


async def test_at_four_fifths_of_a_budget_there_is_one_warning(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(research=research_with(cost_usd=0.8)))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        frames = await wait_for(services, await start(services, max_cost_usd=1.0), *ENDS)
    [warning] = data_of(frames, "budget_warning")
    assert {**warning, "message": ""} == {
        "limit": "cost_usd",
        "allowed": 1.0,
        "used": 0.8,
        "scope": "task",
        "message": "",
    }
    assert frames[-1].type == "task_completed"


async def test_a_phase_has_a_budget_by_configuration(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    phases = {"implementation": {"budget": {"turns": 2}}}
    async with services_for(tmp_path, model=model, approvals="never", phases=phases) as services:
        session_id = await start(services)
        exceeded = await asked(services, session_id, "budget_exceeded")
        assert exceeded.phase == "implementation"
        assert exceeded.data == {"limit": "turns", "allowed": 2, "used": 2, "scope": "phase"}
        await services.sessions.execute(c.Cancel(session_id=session_id), OWNER)
        await wait_for(services, session_id, *ENDS)


async def test_a_retry_counts_what_the_task_has_used_before(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(research=research_with(cost_usd=2.0), planning=[]))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        failed = (await wait_for(services, session_id, *ENDS))[-1]
        better = write_script(tmp_path / "better", script())
        settings = SessionSettings(model=better, max_cost_usd=1.5)
        await services.sessions.execute(c.UpdateSettings(session_id=session_id, settings=settings), OWNER)
        await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, "task_paused", *ENDS, after=failed.seq)
        assert data_of(frames, "budget_exceeded")[-1]["used"] == 2.0
        settings = SessionSettings(max_cost_usd=9)
        await services.sessions.execute(c.UpdateSettings(session_id=session_id, settings=settings), OWNER)
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        end = (await wait_for(services, session_id, *ENDS, after=failed.seq))[-1]
    assert (end.type, end.data["usage"]["cost_usd"], end.data["usage"]["requests"]) == ("task_completed", 2.0, 6)


async def test_an_agent_that_repeats_itself_is_told_once_and_then_the_user_is_asked(tmp_path: Path) -> None:
    again = {"tool_calls": [call("read_file", path="calc.py")]}
    research = [*[again] * 6, *script()["phases"]["research"]]
    model = write_script(tmp_path, script(research=research))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        paused = await asked(services, session_id, "task_paused")
        assert "stuck: the same call again and again, 6 times" in paused.data["reason"]
        assert (await services.sessions.get_session(session_id, OWNER)).status == "needs_you"
        told = await asked(services, session_id, "loop_noticed")
        assert (told.data["kind"], told.data["times"]) == ("repeated_call", 3)
        await services.sessions.execute(c.Resume(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        turns = await services.sessions.list_turns(session_id, OWNER)
    assert frames[-1].type == "task_completed"
    assert len(data_of(frames, "loop_noticed")) == len(data_of(frames, "loop_paused")) == 1
    said = [turn.turn for turn in turns if told.data["message"] in str(turn.request)]
    assert said == [3]
    assert len([made for made in model_calls(model) if made["phase"] == "research"]) == 8


async def test_an_approval_that_nobody_gives_is_denied_and_a_late_answer_is_told_so(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    options: dict[str, Any] = {"approvals": "untrusted", "approval_timeout_seconds": 0.05}
    async with services_for(tmp_path, model=model, **options) as services:
        session_id = await start(services)
        request = await asked(services, session_id, "approval_requested")
        frames = await wait_for(services, session_id, *ENDS)
        late = c.ResolveApproval(session_id=session_id, approval_id=request.data["approval_id"], decision="approve")
        with pytest.raises(ConflictError, match="answered already: deny by timeout"):
            await services.sessions.execute(late, OWNER)
    [failed] = data_of(frames, "tool_failed")
    assert failed["code"] == "approval_timeout"
    assert "Nobody answered within 0.05 seconds." in failed["message"]
    assert frames[-1].type == "task_completed"


async def test_the_deadline_of_an_approval_counts_from_the_stored_request_over_a_crash(tmp_path: Path) -> None:
    """The process ends while it waits; the next one begins when the hour is over."""
    project = make_project(tmp_path / "project")
    options = {
        "home": tmp_path / "home",
        "project": project,
        "model": write_script(tmp_path, script()),
        "approvals": "untrusted",
        "approval_timeout_seconds": 3600,
        "memory": {"embeddings": "none"},
    }
    task = TaskInput("ses_1", "tsk_1")

    def observe(event: StoredEvent) -> None:
        if event.type == "approval_requested":
            running.cancel()

    async with asyncio.timeout(100), open_parts(load_config(options, {"PATH": "/usr/bin:/bin"})) as parts:
        await add_session(parts.database, task.session_id, project)
        queued = NewEvent(TaskQueued(content="x"), Actor(kind="user", id="owner"), task_id=task.task_id)
        await parts.event_log.append(task.session_id, [queued])
        parts.event_log.observe(observe)
        running = asyncio.ensure_future(parts.pipeline.run_task(task, Direct()))
        with pytest.raises(asyncio.CancelledError):
            await running
        events = await parts.event_log.read(task.session_id, after=0)
        assert [event.type for event in events].count("approval_resolved") == 0
    later = load_config(options, {"PATH": "/usr/bin:/bin"})
    async with asyncio.timeout(100), open_parts(later, now=lambda: utc_now() + timedelta(hours=1)) as parts:
        await parts.pipeline.run_task(task, Direct())
        events = await parts.event_log.read(task.session_id, after=0)
    [resolved] = [event.frame().data for event in events if event.type == "approval_resolved"]
    assert (resolved["decision"], resolved["resolved_by"]) == ("deny", "timeout")
    assert events[-1].type == "task_completed"


async def test_arguments_that_a_person_changed_are_told_with_the_start(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="untrusted") as services:
        session_id = await start(services)
        request = await asked(services, session_id, "approval_requested")
        answer = c.ResolveApproval(
            session_id=session_id,
            approval_id=request.data["approval_id"],
            decision="approve",
            arguments={"command": "echo instead"},
        )
        await services.sessions.execute(answer, OWNER)
        frames = await wait_for(services, session_id, *ENDS)
    started = {data["tool"]: data["arguments"] for data in data_of(frames, "tool_started")}
    assert started["run_command"] == {"command": "echo instead"}
    assert started["edit_file"] is None
    [done] = [data for data in data_of(frames, "tool_completed") if data["tool"] == "run_command"]
    assert done["result"].startswith("instead\n")


@pytest.mark.parametrize("edited", [False, True])
async def test_a_command_that_a_rule_denies_is_not_run_whoever_approves_it(tmp_path: Path, edited: bool) -> None:
    rules = {"deny": ["touch"]}
    command = "true" if edited else "touch denied"
    implementation = script()["phases"]["implementation"]
    implementation[1]["tool_calls"][0] = call("run_command", command=command)
    model = write_script(tmp_path, script(implementation=implementation))
    options: dict[str, Any] = {"approvals": "always", "approval_rules": {**rules, "tools": {"edit_file": "never"}}}
    async with services_for(tmp_path, model=model, **options) as services:
        session_id = await start(services)
        if edited:
            request = await asked(services, session_id, "approval_requested")
            answer = c.ResolveApproval(
                session_id=session_id,
                approval_id=request.data["approval_id"],
                decision="approve",
                arguments={"command": "touch denied"},
            )
            await services.sessions.execute(answer, OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        assert not ((await services.workspaces.open(session_id)).root / "denied").exists()
    [failed] = data_of(frames, "tool_failed")
    assert (failed["code"], "rule 'touch'" in failed["message"]) == ("denied", True)
    assert frames[-1].type == "task_completed"
