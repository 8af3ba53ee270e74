from pathlib import Path
from typing import Any

import pytest

from unit.tools.tool_workspace import Hands
from vgproject.errors import VgprojectError


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """Without a repository, and below a directory whose rules ignore everything."""
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "secret.py").write_text("needle outside\n")
    hands = Hands(tmp_path / "session")
    for name, text in {
        ".gitignore": "*.log\nbuild/\n!keep.log\n",
        "a.py": "one\nneedle = 1\n",
        "src/b.py": "needle = 2\n",
        "src/c.ts": "needle = 3\r\n",
        "src/deep/d.log": "needle = 4\n",
        "build/e.py": "needle = 5\n",
        ".hidden/f": "needle = 6\n",
        ".git/config": "needle = 7\n",
        "sub/.git": "needle = 8\n",
        "new\nline.py": "needle = 9\n",
    }.items():
        (hands.root / name).parent.mkdir(parents=True, exist_ok=True)
        (hands.root / name).write_text(text, newline="")
    (hands.root / "out").symlink_to(tmp_path)
    (hands.root / "out.py").symlink_to(tmp_path / "secret.py")
    return hands


ALL = [".gitignore", ".hidden/f", "a.py", "new", "line.py", "src/b.py", "src/c.ts"]


async def test_files_are_listed_without_the_ignored_ones(hands: Hands) -> None:
    result = await hands.call("list_files")
    assert result.text.split("\n") == ALL
    assert result.details == {"count": 6, "complete": True}


@pytest.mark.parametrize("repository", [True, False])
@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ({"path": "src"}, ["src/b.py", "src/c.ts"]),
        ({"path": "src/../src/./"}, ["src/b.py", "src/c.ts"]),
        ({"path": "src/b.py"}, ["src/b.py"]),
        ({"depth": 1}, [".gitignore", "a.py", "new", "line.py"]),
    ],
)
async def test_files_are_listed_below_a_path(
    hands: Hands, arguments: dict[str, Any], files: list[str], repository: bool
) -> None:
    if not repository:
        (hands.root / ".git" / "config").unlink()
        (hands.root / ".git").rmdir()
    assert (await hands.call("list_files", **arguments)).text.split("\n") == files


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({}, [".hidden/f:1:needle = 6", "a.py:2:needle = 1", "new", "line.py:1:needle = 9", "src/b.py:1:needle = 2",
              "src/c.ts:1:needle = 3"]),
        ({"path": "src"}, ["src/b.py:1:needle = 2", "src/c.ts:1:needle = 3"]),
        ({"path": "src/b.py"}, ["src/b.py:1:needle = 2"]),
        ({"glob": "*.{ts,log}"}, ["src/c.ts:1:needle = 3"]),
        ({"glob": "**"}, [".hidden/f:1:needle = 6", "a.py:2:needle = 1", "new", "line.py:1:needle = 9",
                          "src/b.py:1:needle = 2", "src/c.ts:1:needle = 3"]),
        ({"glob": "!*.py"}, [".hidden/f:1:needle = 6", "src/c.ts:1:needle = 3"]),
        ({"glob": "--pre=cat"}, ["Nothing matches."]),
    ],
)  # fmt: skip
async def test_matches_are_found_where_they_may_be(hands: Hands, arguments: dict[str, Any], lines: list[str]) -> None:
    assert (await hands.call("search_files", pattern="needle =", **arguments)).text.split("\n") == lines


async def test_a_pattern_is_no_option(hands: Hands) -> None:
    assert (await hands.call("search_files", pattern="--files")).text == "Nothing matches."


async def test_long_lines_and_many_matches_are_cut_and_said(hands: Hands) -> None:
    (hands.root / "many").write_text("x" * 100_000 + "\n" + "x\n" * 300)
    lines = (await hands.call("search_files", pattern="x", path="many")).text.splitlines()
    assert (len(lines), len(lines[0])) == (201, 500)
    assert lines[-1] == "… and 101 more matches: narrow it down."


async def test_too_much_to_hold_is_said(hands: Hands) -> None:
    (hands.root / "many").write_text("needle\n" * 1_000_000)
    result = await hands.call("search_files", pattern="needle", path="many")
    assert result.text.endswith("… and more matches than can be counted: narrow it down.")
    assert result.details["complete"] is False


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "words"),
    [
        ("search_files", {"pattern": "a(b"}, "bad_pattern", "unclosed group"),
        ("search_files", {"pattern": "a", "glob": "a["}, "bad_pattern", "glob"),
        ("search_files", {"pattern": "a", "path": "none"}, "no_such_file", "none"),
        ("search_files", {"pattern": "a", "path": "out"}, "outside_workspace", "out"),
        ("search_files", {"pattern": "a", "path": "out.py"}, "outside_workspace", "out.py"),
        ("list_files", {"path": "out"}, "outside_workspace", "out"),
        ("list_files", {"path": ".git"}, "outside_workspace", ".git"),
        ("search_files", {"pattern": "a\0"}, "invalid_arguments", "NUL"),
    ],
)
async def test_what_cannot_be_searched_is_answered(
    hands: Hands, tool: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(VgprojectError) as caught:
        await hands.call(tool, **arguments)
    assert caught.value.code == code
    assert words in caught.value.message
