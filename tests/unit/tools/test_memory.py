"""Noting with a place in a file, and what cannot be noted."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from unit.tools.tool_workspace import Hands
from vgproject.tools.base import ToolFailure

CODE = "import x\n\n\ndef add(a, b):\n    return a + b\n"
LINES = "def add(a, b):\n    return a + b"
DIGEST = hashlib.sha256(LINES.encode()).hexdigest()


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    hands = Hands(tmp_path)
    (hands.root / "calc.py").write_text(CODE)
    (hands.root / "twice.py").write_text(f"{LINES}\n# and again\n{LINES}\n")
    return hands


async def note(hands: Hands, **arguments: Any) -> dict[str, Any]:
    return dict((await hands.call("remember", **arguments)).details["note"])


@pytest.mark.parametrize("typed", [LINES, f"\n{LINES}   \n\n"])
@pytest.mark.parametrize("lines", [{}, {"start_line": 4, "end_line": 5}, {"start_line": 1, "end_line": 2}])
async def test_a_snippet_is_noted_as_the_files_own_lines_where_they_really_stand(
    hands: Hands, typed: str, lines: dict[str, int]
) -> None:
    noted = await note(hands, kind="key_snippet", content=typed, path="./calc.py", **lines)
    assert noted["content"] == LINES
    assert noted["place"] == {"path": "calc.py", "start_line": 4, "end_line": 5, "sha256": DIGEST}
    assert noted["source"] == "file"


async def test_of_two_places_the_one_that_was_meant_is_noted(hands: Hands) -> None:
    noted = await note(hands, kind="key_snippet", content=LINES, path="twice.py", start_line=4)
    assert noted["place"]["start_line"] == 4


async def test_a_fact_can_have_lines_that_are_watched_too(hands: Hands) -> None:
    noted = await note(hands, content="Adds.", path="calc.py", start_line=4, end_line=5)
    assert noted["place"] == {"path": "calc.py", "start_line": 4, "end_line": 5, "sha256": DIGEST}
    assert noted["source"] == "agent"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"kind": "key_snippet", "content": "def add(a, b):\n    return a - b", "path": "calc.py"}, "not_in_file"),
        ({"kind": "key_snippet", "content": "add(a, b)", "path": "calc.py"}, "not_in_file"),
        ({"kind": "key_snippet", "content": "  \n", "path": "calc.py"}, "invalid_arguments"),
        ({"kind": "key_snippet", "content": LINES}, "invalid_arguments"),
        ({"content": "Adds.", "start_line": 4}, "invalid_arguments"),
        ({"content": "Adds.", "path": "gone.py"}, "no_such_file"),
        ({"content": "Adds.", "path": "../calc.py"}, "outside_workspace"),
        ({"content": "Adds.", "path": "calc.py", "start_line": 4, "end_line": 9}, "past_the_end"),
        ({"content": "Adds.", "path": "calc.py", "start_line": 4, "end_line": 3}, "past_the_end"),
        ({"kind": "related_file", "content": "gone.py"}, "no_such_file"),
        ({"content": "x" * 8_001}, "invalid_arguments"),
        ({"content": "Adds.", "source": "user"}, "invalid_arguments"),
        ({"content": "Adds.", "replaces": ["mem_gone"]}, "no_such_memory"),
    ],
)
async def test_what_is_not_right_is_refused_with_a_reason(hands: Hands, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ToolFailure) as refused:
        await hands.call("remember", **arguments)
    assert refused.value.code == code


async def test_the_answer_says_what_happened(hands: Hands) -> None:
    moved = await hands.call("remember", kind="key_snippet", content=LINES, path="calc.py", start_line=1)
    assert moved.text == (
        "It is noted with lines 4 to 5 of calc.py, where the text really stands, and kept once the phase is completed."
    )
    copied = await hands.call("remember", content="It is cold.", source="web", confidence="certain")
    assert copied.text == "It is noted as words from the web, and kept even if the phase fails."
