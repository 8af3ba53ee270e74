"""Tools of MCP servers in whole tasks: who is offered which, what is asked before, and what a failure means."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import mcp_desk
from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import call, model_calls, script, write_script
from vgproject.cli.machine import examine
from vgproject.schema import commands as c
from vgproject.schema.frames import EventFrame

SUBMIT = {"tool_calls": [call("submit_implementation", summary="Filed.")]}
LOOK = {"tool_calls": [call("mcp__desk__look_up", word="moon")]}
NOTES = {"tool_calls": [call("submit_research", notes="Looked.")]}


def desk(tmp_path: Path, **settings: Any) -> dict[str, Any]:
    program = {"command": [sys.executable, mcp_desk.__file__], "env": {"DESK": str(tmp_path)}}
    return {"desk": {**program, **settings}}


def of_type(frames: list[EventFrame], kind: str) -> list[dict[str, Any]]:
    return [frame.data for frame in frames if frame.type == kind]


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def pids(tmp_path: Path) -> list[int]:
    return [int(line) for line in (tmp_path / "pids").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_task_calls_a_tool_of_a_server_which_is_gone_after_the_end(tmp_path: Path) -> None:
    counting = {"tool_calls": [call("mcp__desk__look_up", word="moon"), call("mcp__desk__count", to=2)]}
    model = write_script(tmp_path, script(research=[counting, NOTES], implementation=[SUBMIT]))
    async with services_for(tmp_path, model=model, mcp=desk(tmp_path)) as services:
        frames = await wait_for(services, await start(services), *ENDS)
        assert is_alive(pids(tmp_path)[0])
    assert frames[-1].type == "task_completed"
    done = {data["tool"]: data["result"] for data in of_type(frames, "tool_completed")}
    assert done == {"mcp__desk__look_up": "moon means nothing", "mcp__desk__count": "counted"}
    assert calls(tmp_path) == ["look_up moon"]
    assert not any(is_alive(pid) for pid in pids(tmp_path))


async def test_only_implementation_is_offered_what_may_change_something(tmp_path: Path) -> None:
    filing = {"tool_calls": [call("mcp__desk__file_ticket", title="Late")]}
    model = write_script(tmp_path, script(research=[filing, NOTES], implementation=[filing, SUBMIT]))
    async with services_for(tmp_path, model=model, approvals="never", mcp=desk(tmp_path)) as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert [data["code"] for data in of_type(frames, "tool_failed")] == ["unknown_tool"]
    assert calls(tmp_path) == ["file_ticket Late"]
    assert frames[-1].type == "task_completed"


async def test_settings_of_a_phase_name_the_tools_of_servers(tmp_path: Path) -> None:
    filing = {"tool_calls": [call("mcp__desk__file_ticket", title="Late")]}
    model = write_script(tmp_path, script(research=[LOOK, filing, NOTES], implementation=[SUBMIT]))
    phases = {"research": {"tools": ["mcp__desk__file_ticket"]}}
    async with services_for(tmp_path, model=model, approvals="never", mcp=desk(tmp_path), phases=phases) as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert [data["tool"] for data in of_type(frames, "tool_failed")] == ["mcp__desk__look_up"]
    assert calls(tmp_path) == ["file_ticket Late"]


async def test_a_tool_that_may_change_something_outside_waits_for_approval_also_of_other_arguments(
    tmp_path: Path,
) -> None:
    filing = {"tool_calls": [call("mcp__desk__file_ticket", title="Late")]}
    model = write_script(tmp_path, script(implementation=[filing, SUBMIT]))
    async with services_for(tmp_path, model=model, approvals="on_request", mcp=desk(tmp_path)) as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, "approval_requested")
        [asked] = of_type(frames, "approval_requested")
        assert asked["tool"] == "mcp__desk__file_ticket"
        assert not (tmp_path / "calls").exists()
        await services.sessions.execute(
            c.ResolveApproval(
                session_id=session_id,
                approval_id=asked["approval_id"],
                decision="approve",
                arguments={"title": "Early"},
            ),
            OWNER,
        )
        frames = await wait_for(services, session_id, *ENDS)
    assert calls(tmp_path) == ["file_ticket Early"]
    assert frames[-1].type == "task_completed"


async def test_a_server_that_dies_in_the_middle_fails_the_call_and_not_the_task(tmp_path: Path) -> None:
    dying = {"tool_calls": [call("mcp__desk__die")]}
    looking = {"tool_calls": [call("mcp__desk__look_up", word="sun")]}
    model = write_script(tmp_path, script(implementation=[dying, looking, SUBMIT]))
    async with services_for(tmp_path, model=model, approvals="never", mcp=desk(tmp_path)) as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert [data["code"] for data in of_type(frames, "tool_failed")] == ["mcp_unavailable"]
    assert calls(tmp_path) == ["look_up sun"]
    assert frames[-1].type == "task_completed"
    assert len(pids(tmp_path)) == 2


async def test_a_server_that_does_not_answer_leaves_the_others_and_the_task_alone(tmp_path: Path) -> None:
    model = write_script(tmp_path, script(research=[LOOK, NOTES], implementation=[SUBMIT]))
    servers = {**desk(tmp_path), "gone": {"url": "http://127.0.0.1:1/mcp"}, "mute": {"command": ["sleep", "60"]}}
    servers["mute"]["start_seconds"] = 0.5
    async with services_for(tmp_path, model=model, mcp=servers) as services:
        frames = await wait_for(services, await start(services), *ENDS)
    assert frames[-1].type == "task_completed"
    assert calls(tmp_path) == ["look_up moon"]
    assert len(model_calls(model)) == 4


async def test_cancelling_a_task_gives_up_its_call_and_leaves_the_server_for_others(tmp_path: Path) -> None:
    waiting = {"tool_calls": [call("mcp__desk__wait_for_ever")]}
    model = write_script(tmp_path, script(research=[NOTES], implementation=[waiting, SUBMIT]))
    async with services_for(tmp_path, model=model, approvals="never", mcp=desk(tmp_path)) as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, "tool_started")
        await services.sessions.execute(c.Cancel(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS)
        assert frames[-1].type == "task_cancelled"
        model = write_script(tmp_path / "second", script(research=[LOOK, NOTES], implementation=[SUBMIT]))
        frames = await wait_for(services, await start(services, model=model), *ENDS)
    assert frames[-1].type == "task_completed"
    assert len(pids(tmp_path)) == 1


def test_doctor_says_which_servers_answer_and_hides_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    gone = {"url": "http://127.0.0.1:1/mcp", "headers": {"Authorization": "hunter2"}}
    servers = {**desk(tmp_path, tools=["look_up"]), "gone": gone}
    assert examine({"home": tmp_path / "home", "project": tmp_path, "mcp": servers}) == 1
    told = capsys.readouterr().out
    assert "✓ MCP server desk: mcp__desk__look_up\n" in told
    assert "✗ The MCP server 'gone' cannot be used" in told
    assert "hunter2" not in told
    assert not any(is_alive(pid) for pid in pids(tmp_path))
