"""A test command that nobody has given: found in the project, run before and after, and told as found."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.test_phases import data_of
from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import call, make_project, script, write_script
from vgproject.schema import commands as c
from vgproject.schema.frames import EventFrame
from vgproject.schema.settings import SessionSettings

COMMAND = "make test"
SUBMIT: list[dict[str, Any]] = [{"tool_calls": [call("submit_implementation", summary="Done.")]}]


def edit(old: str, new: str) -> dict[str, Any]:
    return {"tool_calls": [call("edit_file", path="calc.py", old=old, new=new)]}


# Without its cache (-B): Python does not see a change of the same length within the same second.
def make_tested_project(tmp_path: Path, recipe: str = "python3 -B -m unittest -q", source: str = "a + b") -> None:
    project = make_project(tmp_path / "project")
    (project / "Makefile").write_text(f"test:\n\t{recipe}\n")
    (project / "calc.py").write_text(f"def add(a, b):\n    return {source}\n")
    words = ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "Tested with make"]
    for command in (["add", "."], words):
        subprocess.run(["git", *command], cwd=project, check=True)


async def run_task(
    tmp_path: Path, implementation: list[dict[str, Any]], settings: dict[str, Any] | None = None, **options: Any
) -> list[EventFrame]:
    model = write_script(tmp_path, script(implementation=implementation))
    async with services_for(tmp_path, model=model, **{"approvals": "never", **options}) as services:
        return await wait_for(services, await start(services, **(settings or {})), *ENDS)


def runs(frames: list[EventFrame]) -> list[tuple[str, int]]:
    """Every run by the server: its command and its exit code."""
    commands = {data["tool_call_id"]: data["arguments"].get("command") for data in data_of(frames, "tool_requested")}
    ended = [data for data in data_of(frames, "tool_completed") if data["tool"] == "run_tests"]
    return [(commands[data["tool_call_id"]], data["details"]["exit_code"]) for data in ended]


def outcome(frames: list[EventFrame]) -> dict[str, Any]:
    assert frames[-1].type == "task_completed", frames[-1].data
    ran: dict[str, Any] = frames[-1].data["tests"]
    return ran


async def test_a_found_command_that_passed_before_sends_the_agent_back(tmp_path: Path) -> None:
    make_tested_project(tmp_path)
    implementation = [edit("a + b", "a - b"), *SUBMIT, edit("a - b", "b + a"), *SUBMIT]
    frames = await run_task(tmp_path, implementation)
    assert runs(frames) == [(COMMAND, 0), (COMMAND, 2), (COMMAND, 0)]
    ran = outcome(frames)
    assert (ran["command"], ran["passed"], ran["found"], ran["failed_before"]) == (COMMAND, True, True, False)
    assert ran["summary"]["passed"] == 1


async def test_a_found_command_that_failed_before_is_reported_and_holds_nobody_up(tmp_path: Path) -> None:
    """Its dependencies are not there, so the task can do nothing about it."""
    make_tested_project(tmp_path, recipe="no-such-program")
    frames = await run_task(tmp_path, [edit("a + b", "b + a"), *SUBMIT])
    assert runs(frames) == [(COMMAND, 2), (COMMAND, 2)]
    ran = outcome(frames)
    assert (ran["passed"], ran["found"], ran["failed_before"]) == (False, True, True)


async def test_a_found_command_that_failed_before_may_pass_after(tmp_path: Path) -> None:
    make_tested_project(tmp_path, source="a - b")
    frames = await run_task(tmp_path, [edit("a - b", "a + b"), *SUBMIT])
    assert runs(frames) == [(COMMAND, 2), (COMMAND, 0)]
    assert (outcome(frames)["passed"], outcome(frames)["failed_before"]) == (True, True)


async def test_what_a_found_command_leaves_behind_is_no_part_of_the_result(tmp_path: Path) -> None:
    make_tested_project(tmp_path, recipe="echo report > report.txt")
    frames = await run_task(tmp_path, [edit("a + b", "b + a"), *SUBMIT])
    assert runs(frames) == [(COMMAND, 0), (COMMAND, 0)]
    assert [changed["path"] for changed in frames[-1].data["files_changed"]] == ["calc.py"]


async def test_a_given_command_that_failed_before_sends_the_agent_back(tmp_path: Path) -> None:
    make_tested_project(tmp_path, source="a - b")
    implementation = [*SUBMIT, edit("a - b", "a + b"), *SUBMIT]
    frames = await run_task(tmp_path, implementation, test_command=COMMAND)
    assert runs(frames) == [(COMMAND, 2), (COMMAND, 0)]
    assert outcome(frames)["found"] is False


@pytest.mark.parametrize(
    ("settings", "options"),
    [({"test_command": ""}, {}), ({}, {"test_command": ""}), ({}, {"approvals": "untrusted"}), ({}, {"recipe": None})],
)
async def test_nothing_is_run_where_it_is_turned_off_or_not_found_or_a_person_would_have_to_be_asked(
    tmp_path: Path, settings: dict[str, Any], options: dict[str, Any]
) -> None:
    if "recipe" in options:
        options = {}
        make_project(tmp_path / "project")
        (tmp_path / "project" / "calc.py").write_text("def add(a, b):\n    return a + b\n")
    else:
        make_tested_project(tmp_path)
    frames = await run_task(tmp_path, SUBMIT, settings, **options)
    assert runs(frames) == []
    assert outcome(frames) is None


async def test_what_an_earlier_attempt_found_before_its_changes_still_counts(tmp_path: Path) -> None:
    """The first attempt breaks what passed; the second is sent back for it."""
    make_tested_project(tmp_path)
    implementation = [edit("a + b", "a - b")]
    model = write_script(tmp_path, script(implementation=implementation))
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        failed = (await wait_for(services, session_id, *ENDS))[-1]
        other = write_script(tmp_path / "other", script(implementation=[*SUBMIT, edit("a - b", "a + b"), *SUBMIT]))
        changed = c.UpdateSettings(session_id=session_id, settings=SessionSettings(model=other))
        await services.sessions.execute(changed, OWNER)
        await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        frames = await wait_for(services, session_id, *ENDS, after=failed.seq)
    assert runs(frames) == [(COMMAND, 0), (COMMAND, 2), (COMMAND, 0)]
    assert outcome(frames)["passed"] is True
