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
