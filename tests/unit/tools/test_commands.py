from pathlib import Path

import pytest

from sample import make_project
from unit.tools.tool_workspace import Hands
from vgproject.schema.events import FileChange


@pytest.fixture
async def hands(tmp_path: Path) -> Hands:
    hands = Hands(tmp_path / "session")
    hands.root.rmdir()
    make_project(hands.root)
    await hands.workspace.shadow.create()
    return hands


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
