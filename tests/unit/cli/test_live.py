import json
from pathlib import Path
from typing import Any

import pytest

from vgproject.cli.styles import Styles
from vgproject.cli.terminal.state import SessionState
from vgproject.cli.transcript import Transcript

SUMMARY = {"tool": "pytest", "passed": 40, "failed": 2, "skipped": 1, "errors": 0, "failing": ["test_a[1]", "test_b"]}


@pytest.mark.parametrize(
    ("tests", "line"),
    [
        ({"command": "make test", "passed": True}, "Tests: make test: passed"),
        (
            {"command": "pytest", "passed": False, "found": True, "failed_before": True, "summary": SUMMARY},
            "Tests: pytest (found in the project): failed (as before the task),"
            " 40 passed, 2 failed, 1 skipped: test_a[1], test_b",
        ),
        (
            {"command": "go test", "passed": True, "summary": SUMMARY | {"passed": None, "failed": 0, "failing": []}},
            "Tests: go test: passed, 0 failed, 1 skipped",
        ),
    ],
)
def test_a_run_of_the_tests_is_one_line(tests: dict[str, Any], line: str) -> None:
    frame = {"type": "implementation_complete", "seq": 1, "data": {"summary": "Done.", "tests": tests}}
    assert _printed(frame) == ["", "Done.", line]


def test_what_is_recalled_is_shown_with_its_reason_and_what_is_merged_with_its_conflicts() -> None:
    recalled = {"memory_id": "m", "kind": "key_fact", "content": "It is\n[red]", "reason": "It names calc.py."}
    counts = {"merged": ["m"], "superseded": ["s"], "conflicting": ["b"], "refused": 3}
    assert _printed(
        {"type": "memory_recalled", "seq": 1, "data": {"entries": [recalled]}},
        {"type": "memory_merged", "seq": 2, "data": {"added": ["a", "b"], "merged": []}},
        {"type": "memory_merged", "seq": 3, "data": {"added": ["a", "b"], **counts}},
    ) == [
        "Recalled 1 entries of memory.",
        "  key_fact: It is [red] (It names calc.py.)",
        "Memory: 2 new, 0 known.",
        "Memory: 2 new, 1 known, 1 superseded, 1 conflicting, 3 refused.",
        "What contradicts what is known needs your word: vgproject memory conflicts",
    ]


def test_what_people_do_among_themselves_is_shown_too() -> None:
    ada = {"kind": "user", "id": "ada"}
    told = (
        ("comment_added", {"comment_id": "c", "content": "Is [this] right?"}),
        ("control_requested", {"user": "ada", "holder": "bob"}),
        ("control_changed", {"holder": None}),
    )
    assert _printed(*({"type": type_, "seq": 1, "actor": ada, "data": data} for type_, data in told)) == [
        "ada: Is [this] right?",
        "ada asks for control.",
        "Nobody holds control now.",
    ]


LOGS = sorted((Path(__file__).parents[2] / "data" / "event_logs").glob("*/*.jsonl"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_log_of_any_release_is_shown_to_its_end(path: Path) -> None:
    frames = [json.loads(line) for line in path.read_text().splitlines()]
    printed, state = "\n".join(_printed(*frames)), SessionState(frames[0]["session_id"])
    for frame in frames:
        state.take(frame)
    assert frames[0]["data"]["title"] == state.title
    assert any(end in printed for end in ("Completed", "Failed:", "Cancelled."))
    assert (state.questions, state.is_busy, state.missing) == ({}, False, 0)


def test_partial_output_of_a_call_that_failed_and_text_that_is_withdrawn() -> None:
    transcript = Transcript(Styles(coloured=False))
    output = {"type": "tool_output_delta", "tool_call_id": "c", "stream": "merged", "offset": 0, "text": "10%\r20%\rha"}
    failed = {"tool_call_id": "c", "tool": "run_command", "code": "timeout", "message": "It took too long."}
    said = {"type": "text_delta", "message_id": "m", "offset": 0, "text": "I thi"}
    assert transcript.lines(output) == []
    assert transcript.lines({"type": "tool_failed", "seq": 1, "data": failed}) == ["ha", "  ✗ It took too long."]
    assert transcript.lines(said) == []
    assert transcript.tail == "I thi"
    again = {"message_id": "m", "attempt": 1, "delay_ms": 0, "reason": "overloaded"}
    [sentence] = transcript.lines({"type": "model_retried", "seq": 2, "data": again})
    assert (sentence.startswith("The model is asked again"), transcript.tail) == (True, "")


def _printed(*frames: dict[str, Any]) -> list[str]:
    transcript = Transcript(Styles(coloured=False))
    return [line for frame in frames for text in transcript.lines(frame) for line in text.split("\n")]
