"""The outputs are real ones of the tools, but for go, rspec and phpunit, which follow their documentation."""

from pathlib import Path

import pytest

from vgproject.schema import events
from vgproject.workspace.test_summaries import (
    MAX_NAME_CHARACTERS,
    MAX_NAMES,
    is_test_command,
    summarise_tests,
)

OUTPUTS = Path(__file__).parents[2] / "data" / "test_outputs"
PYTEST = events.TestSummary(
    tool="pytest",
    passed=3,
    failed=2,
    skipped=1,
    errors=1,
    failing=["test_shop.py::test_names[a - b]", "test_shop.py::test_total", "test_shop.py::test_database"],
)
UNITTEST = events.TestSummary(
    tool="unittest",
    passed=1,
    failed=2,
    skipped=1,
    errors=2,
    failing=[
        "test_breaks (shop_unit.TestCart.test_breaks)",
        "setUpClass (shop_unit.TestDatabase)",
        "test_each (shop_unit.TestCart.test_each) (number=2)",
        "test_total (shop_unit.TestCart.test_total)",
    ],
)
NODE = events.TestSummary(tool="node", passed=2, failed=2, skipped=2, failing=["has a total", "breaks - badly"])


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("pytest", PYTEST),
        ("pytest-q-colours", PYTEST),
        ("unittest", UNITTEST),
        ("unittest-v", UNITTEST),
        (
            "jest",
            events.TestSummary(
                tool="jest",
                passed=1,
                failed=2,
                skipped=2,
                errors=1,
                failing=["cart › has a total", "breaks", "t/broken.test.js"],
            ),
        ),
        (
            "vitest-colours",
            events.TestSummary(
                tool="vitest",
                passed=1,
                failed=2,
                skipped=2,
                errors=1,
                failing=["t/broken.test.js", "t/shop.test.js > cart > has a total", "t/shop.test.js > breaks"],
            ),
        ),
        (
            "mocha",
            events.TestSummary(tool="mocha", passed=1, failed=2, skipped=1, failing=["breaks", "cart has a total"]),
        ),
        ("node-tap", NODE),
        ("node-spec", NODE),
        (
            "go",
            events.TestSummary(
                tool="go", passed=None, failed=2, errors=1, failing=["TestTotal", "TestEach", "example.com/shop/db"]
            ),
        ),
        ("go-v", events.TestSummary(tool="go", passed=2, skipped=1)),
        ("cargo", events.TestSummary(tool="cargo", passed=2, failed=1, skipped=1, failing=["tests::total"])),
        ("rspec", events.TestSummary(tool="rspec", passed=2, failed=1, skipped=1, failing=["Cart has a total"])),
        (
            "phpunit",
            events.TestSummary(
                tool="phpunit",
                passed=1,
                failed=1,
                skipped=1,
                errors=1,
                failing=["CartTest::testBreaks", 'CartTest::testTotal with data set "small" (3, 4)'],
            ),
        ),
    ],
)
def test_a_runs_end_is_read(name: str, summary: events.TestSummary) -> None:
    assert summarise_tests((OUTPUTS / f"{name}.txt").read_text()) == summary


@pytest.mark.parametrize(
    ("output", "summary"),
    [
        ("no tests ran in 0.01s\n", events.TestSummary(tool="pytest", passed=0)),
        ("== 3 passed, 2 warnings in 62.10s (0:01:02) ==\n", events.TestSummary(tool="pytest", passed=3)),
        ("Ran 2 tests in 0.001s\n\nOK\n", events.TestSummary(tool="unittest", passed=2)),
        ("Ran 1 test in 0.001s\r\n\r\nOK (skipped=1)\r\n", events.TestSummary(tool="unittest", passed=0, skipped=1)),
        ("Tests:       3 passed, 3 total\n", events.TestSummary(tool="jest", passed=3)),
        ("      Tests  3 passed (3)\n", events.TestSummary(tool="vitest", passed=3)),
        ("\n  3 passing (9ms)\n\n", events.TestSummary(tool="mocha", passed=3)),
        ("ok  \texample.com/shop\t0.003s\n", events.TestSummary(tool="go", passed=None)),
        ("1 example, 0 failures\n", events.TestSummary(tool="rspec", passed=1)),
        ("OK (5 tests, 10 assertions)\n", events.TestSummary(tool="phpunit", passed=5)),
    ],
)
def test_a_short_end_is_read(output: str, summary: events.TestSummary) -> None:
    assert summarise_tests(output) == summary


@pytest.mark.parametrize(
    "output",
    ["", "make: *** No rule to make target 'test'.\n", "No module named pytest\n", "PASS\n", "the tests: 3 passed\n"],
)
def test_what_no_runner_has_said_has_no_summary(output: str) -> None:
    assert summarise_tests(output) is None


def test_of_several_runs_the_last_counts() -> None:
    first, last = "Tests:       3 passed, 3 total\n", "4 passed in 0.10s\n"
    assert summarise_tests(first + last) == events.TestSummary(tool="pytest", passed=4)
    assert summarise_tests(last + first) == events.TestSummary(tool="jest", passed=3)


def test_names_are_bounded_in_number_and_length() -> None:
    lines = "".join(f"FAILED t.py::test_{number}{'x' * 500}\n" for number in range(100))
    summary = summarise_tests(f"=== short test summary info ===\n{lines}100 failed in 1.00s\n")
    assert summary
    assert (summary.failed, len(summary.failing)) == (100, MAX_NAMES)
    assert {len(name) for name in summary.failing} == {MAX_NAME_CHARACTERS}


def test_five_megabytes_of_anything_are_read_at_once() -> None:
    for line in ("1 passed, ", "not ok 1 - x\n", " - [", "0 passed; ", "Tests: ", "  1) x\n"):
        assert summarise_tests(line * (5_000_000 // len(line))) is None
    mocha = summarise_tests("  0 passing (9ms)\n  9 failing\n" + "  1) x\n" * 20_000)
    assert mocha == events.TestSummary(tool="mocha", passed=0, failed=9)
    assert not is_test_command("make " * 20_000)


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "python3 -m pytest -q tests",
        ".venv/bin/pytest",
        "cd app && npm test",
        "npm run test:unit",
        "npx vitest run",
        "node --import tsx --test",
        "go test ./...",
        "cargo test --lib",
        "python manage.py test",
        "make test",
        "(cd x; make -j 4 check)",
    ],
)
def test_a_test_command_is_known(command: str) -> None:
    assert is_test_command(command)


@pytest.mark.parametrize(
    "command", ["ls tests", "cat pytest.ini", "git commit -m test", "make", "npm install", "gotest"]
)
def test_another_command_is_not_taken_for_one(command: str) -> None:
    assert not is_test_command(command)
