"""Calls that change files, killed at each of their steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from projects import snapshot, write_files
from unit.tools.tool_workspace import Hands
from vgproject.errors import WorkspaceError
from vgproject.tools.base import ToolResult
from vgproject.tools.registry import TOOLS, parse_arguments

PATCH = """\
*** Begin Patch
*** Update File: a
-a
+aa
*** Update File: b
*** Move to: new/b
*** Delete File: c/d
*** Add File: c
+c
*** Delete File: e
*** Add File: e/e
+e
*** End Patch
"""
MOST_STEPS = 40
BEFORE = {"a": b"a\n", "b": b"\0b", "c/d": b"c\n", "e": b"e\n", "f": b"f"}
CALLS: dict[str, dict[str, str]] = {
    "write_file": {"path": "new/file", "content": "x"},
    "edit_file": {"path": "a", "old": "a", "new": "aa"},
    "apply_patch": {"patch": PATCH},
}
KILLER = """
import asyncio, json, os, signal, sys
from pathlib import Path
from unit.tools.tool_workspace import Hands

directory, tool, arguments = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

def call_and_kill(kill_at):
    count = 0

    def audit(event, arguments):
        nonlocal count
        if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
            count += 1
            if count > kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    hands = Hands(directory / str(kill_at))
    sys.addaudithook(audit)
    asyncio.run(hands.call(tool, **arguments))
    os._exit(0)

for place in sorted(map(int, os.listdir(directory))):
    if (child := os.fork()) == 0:
        call_and_kill(place)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        print(place)
        break
"""


def killed_calls(tool: str, directory: Path) -> list[Hands]:
    """The files as each step of the call leaves them, up to the one after which there is none."""
    every = [Hands(directory / str(kill_at)) for kill_at in range(MOST_STEPS)]
    for hands in every:
        write_files(hands.root, BEFORE)
    words = [sys.executable, "-c", KILLER, str(directory), tool, json.dumps(CALLS[tool])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, env=environment, check=True, capture_output=True)
    return every[: int(done.stdout)]


async def find_done(hands: Hands, tool: str) -> ToolResult | None:
    return await TOOLS[tool].find_done(parse_arguments(TOOLS[tool], CALLS[tool]), hands.context("call_1"))


@pytest.mark.parametrize(("tool", "steps"), [("write_file", 3), ("edit_file", 2), ("apply_patch", 12)])
async def test_a_call_that_is_killed_at_any_step_is_not_begun_or_is_finished(
    tmp_path: Path, tool: str, steps: int
) -> None:
    right = Hands(tmp_path / "right")
    write_files(right.root, BEFORE)
    expected = await right.call(tool, **CALLS[tool])
    begun = []
    for hands in killed_calls(tool, tmp_path / "killed"):
        done = await find_done(hands, tool)
        begun.append(done is not None)
        if not done:
            assert hands.files() == BEFORE
        assert (done or await hands.call(tool, **CALLS[tool])) == expected
        assert snapshot(hands.root) == snapshot(right.root)
    assert begun == [False, *[True] * (len(begun) - 1)], "only before there is a record, nothing has begun"
    assert len(begun) >= steps


async def test_a_patch_that_is_killed_and_meets_a_foreign_change_is_undone_and_says_so(tmp_path: Path) -> None:
    not_begun, *begun = killed_calls("apply_patch", tmp_path / "killed")
    assert await find_done(not_begun, "apply_patch") is None
    for hands in begun:
        (hands.root / "a").write_bytes(b"foreign")
        for _ in range(2):
            with pytest.raises(WorkspaceError, match="'a' is now neither") as caught:
                await find_done(hands, "apply_patch")
            assert caught.value.code == "interrupted"
            assert hands.files() == {**BEFORE, "a": b"foreign"}
