from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sample import make_project
from unit.tools.tool_workspace import Hands
from vgproject.errors import WorkspaceError
from vgproject.schema.events import FileChange


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    hands = Hands(tmp_path / "session")
    hands.root.rmdir()
    make_project(hands.root)
    await hands.workspace.shadow.create()
    await hands.workspace.checkpoint("base")
    yield hands
    await hands.background.end_all()


async def test_a_command_answers_its_output_its_end_and_what_it_changed(hands: Hands) -> None:
    (hands.root / "before.txt").write_text("not of the command\n")
    result = await hands.call("run_command", command="echo hello; echo x > new.txt; rm test_calc.py; exit 2")
    assert result.text == "hello\nExit code 2."
    assert result.details == {"exit_code": 2, "reason": "exit"}
    assert sorted(result.changes, key=lambda change: change.path) == [
        FileChange(path="new.txt", change="added", additions=1),
        FileChange(path="test_calc.py", change="deleted", deletions=7),
    ]
    assert hands.shown == "hello\n"


async def test_a_long_output_is_cut_for_the_model_and_kept_whole(hands: Hands) -> None:
    result = await hands.call("run_command", command="head -c 50000 /dev/zero | tr '\\0' a; echo; echo end")
    assert f"\n… {50_005 - 30_000} characters left out …\n" in result.text
    assert result.text.endswith("a\nend\nExit code 0.")
    assert hands.blobs == [b"a" * 50_000 + b"\nend\n"]
    assert result.details["output"]["bytes"] == 50_005


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("kill -TERM $$", "(no output)\nThe command was killed by signal 15."),
        ("sleep 60", "(no output)\nEnded after 0.3 seconds, unfinished."),
        ("true", "(no output)\nExit code 0."),
    ],
)
async def test_every_end_is_told(hands: Hands, command: str, end: str) -> None:
    assert (
        await hands.call("run_command", command=command, timeout_seconds=0.3 if "sleep" in command else 20)
    ).text == end


async def test_a_run_of_tests_is_told_in_numbers(hands: Hands) -> None:
    result = await hands.call("run_command", command="python3 -m unittest -q")
    failing = ["test_adds (test_calc.TestAdd.test_adds)"]
    summary = {"tool": "unittest", "passed": 0, "failed": 1, "skipped": 0, "errors": 0, "failing": failing}
    assert result.details == {"exit_code": 1, "reason": "exit", "tests": summary}
    looked = await hands.call("run_command", command="echo 'Ran 1 test in 0.0s'; echo; echo OK")
    assert "tests" not in looked.details


async def test_a_command_in_the_background_is_started_read_and_stopped(hands: Hands) -> None:
    command = "echo one; echo x > new.txt; while ! test -e go; do sleep 0.01; done; echo two; sleep 600"
    started = await hands.call("run_command", command=command, background=True)
    name = started.details["command_id"]
    assert started.text == f"Started in the background as {name}."
    first = await hands.call("read_output", command_id=name, wait_seconds=20)
    assert first.text == "one\nIt still runs. It has printed 4 characters."
    assert first.details == {"command_id": name, "running": True, "printed": 4}
    (hands.root / "go").touch()
    second = await hands.call("read_output", command_id=name, since=4, wait_seconds=20)
    assert second.text == "two\nIt still runs. It has printed 8 characters."
    stopped = await hands.call("stop_command", command_id=name)
    assert stopped.text == "(no new output)\nIt is stopped. It has printed 8 characters."
    assert stopped.details["running"] is False
    told = [change.path for result in (first, second, stopped) for change in result.changes]
    assert sorted(told) == ["go", "new.txt"]


async def test_a_background_command_that_has_ended_tells_how(hands: Hands) -> None:
    started = await hands.call("run_command", command="python3 -m unittest -q; exit 7", background=True)
    name = started.details["command_id"]
    while (read := await hands.call("read_output", command_id=name, since=100_000, wait_seconds=20)).details["running"]:
        pass
    assert read.text.startswith("(no new output)\nExit code 7.")
    assert (read.details["exit_code"], read.details["reason"]) == (7, "exit")
    assert read.details["tests"]["failed"] == 1
    again = await hands.call("stop_command", command_id=name)
    assert again.text.startswith("(no new output)\nExit code 7.")


@pytest.mark.parametrize("tool", ["read_output", "stop_command"])
async def test_a_background_command_that_is_not_there_is_told_from_one_that_was_lost(hands: Hands, tool: str) -> None:
    """A command is lost with the process that started it; its start is known from the record."""
    with pytest.raises(WorkspaceError) as caught:
        await hands.call(tool, command_id="cmd_x")
    assert caught.value.code == "no_such_command"
    hands.background.expect("cmd_x")
    lost = await hands.call(tool, command_id="cmd_x")
    assert "was ended with the server" in lost.text
    assert lost.details == {"command_id": "cmd_x", "running": False, "reason": "interrupted"}
