"""A session run again from its recorded model replies, in a scratch copy of its project."""

import asyncio
import io
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import TEST_COMMAND, call, model_calls, script, write_script
from vgproject.bootstrap import Services
from vgproject.cli.replay import replay
from vgproject.errors import ConflictError, NotFoundError
from vgproject.knowledge.namespaces import of_project
from vgproject.schema import commands as c

RunAgain = Callable[..., tuple[int, dict[str, Any]]]
UNBOXED = {"sandbox": "none", "accept_no_isolation": True}
"""Some commands look at files beside the project."""

Meanwhile = Callable[[Services, str], Awaitable[None]]


async def record(tmp_path: Path, content: dict[str, Any], meanwhile: Meanwhile | None = None, **options: Any) -> str:
    """A session with one finished task; its server is closed and its script is deleted."""
    model = write_script(tmp_path, content)
    async with services_for(
        tmp_path, model=model, test_command=TEST_COMMAND, **{"approvals": "untrusted", **UNBOXED, **options}
    ) as services:
        session_id = await start(services)
        if meanwhile:
            await meanwhile(services, session_id)
        await wait_for(services, session_id, *ENDS)
    (tmp_path / "script.json").unlink()
    return session_id


@pytest.fixture
def run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunAgain:
    """Exit code and report of ``vgproject replay --json``."""
    monkeypatch.setenv("VGPROJECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VGPROJECT_MEMORY__EMBEDDINGS", "none")
    for option, value in UNBOXED.items():
        monkeypatch.setenv(f"VGPROJECT_{option.upper()}", str(value))

    def run(session_id: str, *, task_id: str | None = None) -> tuple[int, dict[str, Any]]:
        options = {"project": tmp_path / "project"}
        with redirect_stdout(io.StringIO()) as printed:
            code = replay(session_id, options, task_id=task_id, server=None, as_json=True)
        return code, json.loads(printed.getvalue())

    return run


def differences(report: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {found["what"]: (found["then"], found["now"]) for task in report["tasks"] for found in task["differences"]}


def commit(project: Path, **files: str) -> None:
    for name, content in files.items():
        (project / f"{name}.py").write_text(content)
    words = ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "Second"]
    subprocess.run(["git", *words], cwd=project, check=True)


async def look(tmp_path: Path, session_id: str) -> tuple[list[bytes], str]:
    """The session's log, and its project's memory."""
    async with services_for(tmp_path) as services:
        events = await services.event_log.read(session_id, after=0, limit=10_000)
        view = await services.sessions.get_session(session_id, OWNER)
        return [event.payload for event in events], str(await services.memory.list_entries(of_project(view.project)))


def test_a_task_that_still_does_the_same_does_not_differ_and_nothing_is_touched(
    tmp_path: Path, run_again: RunAgain
) -> None:
    session_id = asyncio.run(record(tmp_path, script(), approvals="never"))
    before = asyncio.run(look(tmp_path, session_id))
    commit(tmp_path / "project", calc="def add(a, b):\n    return 0\n")
    calls = model_calls(f"scripted:{tmp_path / 'script.json'}")

    code, report = run_again(session_id)

    assert (code, report["differs"], differences(report)) == (0, False, {})
    assert report["tasks"][0]["model_calls"] == 6
    assert model_calls(f"scripted:{tmp_path / 'script.json'}") == calls, "no model is asked"
    assert asyncio.run(look(tmp_path, session_id)) == before
    assert (tmp_path / "project" / "calc.py").read_text() == "def add(a, b):\n    return 0\n"


def test_a_test_command_that_now_comes_out_otherwise_is_reported(tmp_path: Path, run_again: RunAgain) -> None:
    """What the tests need of the machine, here a file beside the project, is not there any more."""
    machine = tmp_path / "machine.txt"
    machine.write_text("here\n")
    implementation = script()["phases"]["implementation"]
    implementation[1]["tool_calls"][0] = call("run_command", command=f"cat {machine}")
    session_id = asyncio.run(record(tmp_path, script(implementation=implementation), approvals="never"))
    machine.unlink()

    code, report = run_again(session_id)

    assert code == 1
    [(what, (then, now))] = differences(report).items()
    assert what.startswith("the result of run_command")
    assert (then["exit_code"], now["exit_code"]) == (0, 1)
    assert then["result"].startswith("here\n")
    assert report["tasks"][0]["changed_request"] == {"thread_id": "1/implementation/1", "turn": 2}


def test_tests_that_now_fail_make_another_end(tmp_path: Path, run_again: RunAgain) -> None:
    machine = tmp_path / "machine.txt"
    machine.write_text("here\n")
    test = "import pathlib, unittest\n\n\nclass T(unittest.TestCase):\n    def test_it(self):\n"
    test += f"        self.assertTrue(pathlib.Path({str(machine)!r}).exists())\n"
    implementation = script()["phases"]["implementation"]
    implementation[1]["tool_calls"] = [call("write_file", path="test_machine.py", content=test)]
    session_id = asyncio.run(record(tmp_path, script(implementation=implementation), approvals="never"))
    machine.unlink()

    code, report = run_again(session_id)

    found = differences(report)
    assert code == 1
    assert found["the end of the task"][0]["end"] == "task_completed"
    assert found["the end of the task"][1]["error"]["code"] == "recording_ended"
    assert found["the output of implementation"][1] is None


async def deny_and_steer(services: Services, session_id: str) -> None:
    asked = await wait_for(services, session_id, "approval_requested")
    await services.sessions.execute(c.Message(session_id=session_id, content="Mind the gap"), OWNER)
    approval_id = next(frame.data["approval_id"] for frame in asked if frame.type == "approval_requested")
    answer = c.ResolveApproval(session_id=session_id, approval_id=approval_id, decision="deny", reason="not now")
    await services.sessions.execute(answer, OWNER)


def test_what_people_denied_and_said_is_denied_and_said_again(tmp_path: Path, run_again: RunAgain) -> None:
    implementation = script()["phases"]["implementation"]
    implementation[1]["tool_calls"][0] = call("run_command", command=f"touch {tmp_path / 'denied'}")
    session_id = asyncio.run(record(tmp_path, script(implementation=implementation), deny_and_steer))

    code, report = run_again(session_id)

    assert (code, differences(report), report["tasks"][0]["changed_request"]) == (0, {}, None)
    assert not (tmp_path / "denied").exists()


async def approve(services: Services, session_id: str) -> None:
    asked = [f for f in await wait_for(services, session_id, "approval_requested") if f.type == "approval_requested"]
    answer = c.ResolveApproval(session_id=session_id, approval_id=asked[0].data["approval_id"], decision="approve")
    await services.sessions.execute(answer, OWNER)


def test_a_command_that_a_person_approved_counts_as_approved_again(tmp_path: Path, run_again: RunAgain) -> None:
    session_id = asyncio.run(record(tmp_path, script(), approve))
    assert run_again(session_id)[0] == 0


def test_a_failed_task_fails_again_in_the_same_way(tmp_path: Path, run_again: RunAgain) -> None:
    session_id = asyncio.run(record(tmp_path, script(planning=[]), approvals="never"))
    code, report = run_again(session_id)
    assert (code, differences(report)) == (0, {})


async def cancel_a_command(services: Services, session_id: str) -> None:
    seen = await wait_for(services, session_id, "planning_complete")
    await wait_for(services, session_id, "tool_started", after=seen[-1].seq)
    await services.sessions.execute(c.Cancel(session_id=session_id, reason="enough"), OWNER)


def test_a_cancelled_task_is_cancelled_again(tmp_path: Path, run_again: RunAgain) -> None:
    waiting = [{"tool_calls": [call("run_command", command="sleep 60")]}]
    content = script(implementation=waiting)
    session_id = asyncio.run(record(tmp_path, content, cancel_a_command, approvals="never"))
    code, report = run_again(session_id)
    assert (code, differences(report)) == (0, {})


async def two_tasks(tmp_path: Path) -> tuple[str, list[str]]:
    """The second fails in planning, is retried with a better script, and works on the files of the first."""
    first, bad = write_script(tmp_path, script()), write_script(tmp_path / "bad", script(planning=[]))
    second = script()["phases"]["implementation"]
    second[0]["tool_calls"] = [call("edit_file", path="calc.py", old="a + b", new="b + a")]
    better = write_script(tmp_path / "better", script(implementation=second))
    async with services_for(tmp_path, model=first, approvals="never", test_command=TEST_COMMAND) as services:
        session_id = await start(services)
        seen = await wait_for(services, session_id, *ENDS)
        again = c.TaskCommand(session_id=session_id, content="Turn it around", model=bad)
        await services.sessions.execute(again, OWNER)
        seen = await wait_for(services, session_id, *ENDS, after=seen[-1].seq)
        assert seen[-1].type == "task_failed"
        shutil.copy(better.partition(":")[2], bad.partition(":")[2])
    async with services_for(tmp_path, model=first, approvals="never", test_command=TEST_COMMAND) as services:
        await services.sessions.execute(c.Retry(session_id=session_id), OWNER)
        seen = await wait_for(services, session_id, *ENDS, after=seen[-1].seq)
        assert seen[-1].type == "task_completed"
        tasks = (await services.sessions.get_session(session_id, OWNER)).tasks
    return session_id, [task.task_id for task in tasks]


def test_a_later_and_retried_task_goes_on_with_the_files_of_the_earlier(tmp_path: Path, run_again: RunAgain) -> None:
    session_id, tasks = asyncio.run(two_tasks(tmp_path))
    code, report = run_again(session_id)
    assert (code, differences(report)) == (0, {})
    assert [task["task_id"] for task in report["tasks"]] == tasks
    code, report = run_again(session_id, task_id=tasks[1])
    assert (code, [task["task_id"] for task in report["tasks"]]) == (0, tasks[1:])


def test_an_unknown_task_and_a_session_without_one_are_refused(tmp_path: Path, run_again: RunAgain) -> None:
    async def create() -> str:
        async with services_for(tmp_path) as services:
            return str((await services.sessions.execute(c.CreateSession(), OWNER))["session_id"])

    session_id = asyncio.run(create())
    with pytest.raises(ConflictError, match="no task that was run to its end"):
        run_again(session_id)
    with pytest.raises(NotFoundError, match="There is no task 'tsk_other'"):
        run_again(session_id, task_id="tsk_other")
