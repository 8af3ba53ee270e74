from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from vgproject.cli.live import LiveView

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
    printed = StringIO()
    view = LiveView(Console(file=printed, width=200))
    view.show({"type": "implementation_complete", "seq": 1, "data": {"summary": "Done.", "tests": tests}})
    assert printed.getvalue().splitlines() == ["", "Done.", line]


def test_what_is_recalled_is_shown_with_its_reason_and_what_is_merged_with_its_conflicts() -> None:
    printed = StringIO()
    view = LiveView(Console(file=printed, width=200))
    recalled = {"memory_id": "m", "kind": "key_fact", "content": "It is\n[red]", "reason": "It names calc.py."}
    view.show({"type": "memory_recalled", "seq": 1, "data": {"entries": [recalled]}})
    view.show({"type": "memory_merged", "seq": 2, "data": {"added": ["a", "b"], "merged": []}})
    counts = {"merged": ["m"], "superseded": ["s"], "conflicting": ["b"], "refused": 3}
    view.show({"type": "memory_merged", "seq": 3, "data": {"added": ["a", "b"], **counts}})
    assert printed.getvalue().splitlines() == [
        "Recalled 1 entries of memory.",
        "  key_fact: It is [red] (It names calc.py.)",
        "Memory: 2 new, 0 known.",
        "Memory: 2 new, 1 known, 1 superseded, 1 conflicting, 3 refused.",
        "What contradicts what is known needs your word: vgproject memory conflicts",
    ]


def test_what_people_do_among_themselves_is_shown_too() -> None:
    printed = StringIO()
    view = LiveView(Console(file=printed, width=200))
    ada = {"kind": "user", "id": "ada"}
    for type_, data in (
        ("comment_added", {"comment_id": "c", "content": "Is [this] right?"}),
        ("control_requested", {"user": "ada", "holder": "bob"}),
        ("control_changed", {"holder": None}),
    ):
        view.show({"type": type_, "seq": 1, "actor": ada, "data": data})
    assert printed.getvalue().splitlines() == [
        "ada: Is [this] right?",
        "ada asks for control.",
        "Nobody holds control now.",
    ]
