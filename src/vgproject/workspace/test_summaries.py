"""What test runners print at the end of their runs, as numbers and names."""

import re
from collections import deque
from collections.abc import Callable, Iterable

from vgproject.schema.events import TestSummary
from vgproject.utils.text import shorten

MAX_READ_CHARACTERS = 200_000
MAX_NAMES = 20
MAX_NAME_CHARACTERS = 200

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
TEST_COMMAND = re.compile(
    r"(?:^|[\s;&|(/])(?:pytest|py\.test|unittest|tox|nox|jest|vitest|mocha|rspec|phpunit|node\s+(?:[^\s;&|]+\s+){0,8}--test"
    r"|(?:go|cargo|npm|pnpm|yarn|bun|deno|make|mix|dotnet|swift|gradle|gradlew|mvn|manage\.py)\s+(?:[^\s;&|]+\s+){0,8}?"
    r"(?:test|tests|check|t|test:\S+))(?=$|[\s;&|)])"
)

Found = tuple[int, TestSummary]
"""A summary and where in the text it ends: of several, the last is meant."""


def is_test_command(command: str) -> bool:
    """Whether ``command`` looks like a run of tests."""
    return TEST_COMMAND.search(command) is not None


def summarise_tests(output: str) -> TestSummary | None:
    """What the last test runner in ``output`` says; ``None`` where no known one has come to its end."""
    text = ANSI.sub("", output[-MAX_READ_CHARACTERS:]).replace("\r\n", "\n")
    found = [summary for read in READERS if (summary := read(text))]
    return max(found, key=lambda item: item[0])[1] if found else None


def _pytest(text: str) -> Found | None:
    if not (last := _last(r"^=* ?((?:\d+ [a-z]+(?:, )?)+|no tests ran) in \d[\d.]*s\b.*$", text)):
        return None
    counts = _counts(last[1])
    listed = text[: last.start()].rpartition(" short test summary info ")[2]
    names = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", _protect(listed), re.MULTILINE)
    return last.end(), _summary(
        "pytest",
        passed=counts.get("passed", 0) + counts.get("xfailed", 0) + counts.get("xpassed", 0),
        failed=counts.get("failed", 0),
        skipped=counts.get("skipped", 0),
        errors=counts.get("error", 0) + counts.get("errors", 0),
        names=(name.replace("\0", " - ") for name in names),
    )


def _protect(listed: str) -> str:
    """A test's parameters may hold what otherwise begins the reason."""
    return re.sub(r"\[[^\]\n]*\]", lambda found: found[0].replace(" - ", "\0"), listed)


def _unittest(text: str) -> Found | None:
    if not (last := _last(r"^Ran (\d+) tests? in [\d.]+s\n\n(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$", text)):
        return None
    told = {name: int(count) for name, count in re.findall(r"([a-z ]+)=(\d+)", last[2] or "")}
    counts = {name.strip(): count for name, count in told.items()}
    failed, errors, skipped = counts.get("failures", 0), counts.get("errors", 0), counts.get("skipped", 0)
    unexpected = counts.get("unexpected successes", 0)
    return last.end(), _summary(
        "unittest",
        # A test counts once, its failing parts and a class that cannot be set up count beside it.
        passed=max(int(last[1]) - failed - errors - skipped - unexpected, 0),
        failed=failed + unexpected,
        skipped=skipped,
        errors=errors,
        names=re.findall(r"^(?:FAIL|ERROR|UNEXPECTED SUCCESS): (.+)$", text[: last.start()], re.MULTILINE),
    )


def _jest(text: str) -> Found | None:
    if not (last := _last(r"^Tests: +(.*\btotal)$", text)):
        return None
    counts = _counts(last[1])
    names: list[str] = []
    file = ""
    for line in text[: last.start()].splitlines():
        if line.startswith("FAIL "):
            file = line[5:].strip()
        elif failing := re.match(r" +● (.+)$", line):
            names.append(file if failing[1] == "Test suite failed to run" else failing[1])
    return last.end(), _summary(
        "jest",
        passed=counts.get("passed", 0),
        failed=counts.get("failed", 0),
        skipped=counts.get("skipped", 0) + counts.get("todo", 0),
        errors=len(set(re.findall(r"^FAIL (.+)\n +● Test suite failed to run$", text, re.MULTILINE))),
        names=names,
    )


def _vitest(text: str) -> Found | None:
    if not (last := _last(r"^ +Tests  +((?:\d+ [a-z]+(?: \| )?)+ \(\d+\)|no tests)$", text)):
        return None
    counts = _counts(last[1])
    failing = re.findall(r"^ *FAIL  +(.+)$", text[: last.start()], re.MULTILINE)
    whole_file = re.compile(r"^(.+) \[ .+ \]$")
    return last.end(), _summary(
        "vitest",
        passed=counts.get("passed", 0),
        failed=counts.get("failed", 0),
        skipped=counts.get("skipped", 0) + counts.get("todo", 0),
        errors=len({name for name in failing if whole_file.match(name)}),
        names=(whole_file.sub(r"\1", name) for name in failing),
    )


def _mocha(text: str) -> Found | None:
    if not (last := _last(r"^ +(\d+) passing \(.+\)\n(?: +(\d+) pending\n)?(?: +(\d+) failing\n)?", text)):
        return None
    blocks = re.findall(r"^  \d+\) ((?:.+\n){1,8}?.*):\n|^  \d+\) (.+):\n", text[last.end() :], re.MULTILINE)
    names = (" ".join(part.strip() for part in (several or one).splitlines()) for several, one in blocks)
    return last.end(), _summary(
        "mocha", passed=int(last[1]), failed=int(last[3] or 0), skipped=int(last[2] or 0), names=names
    )


def _node(text: str) -> Found | None:
    line = r"^[#ℹ] {0} (\d+)\n"
    pattern = "".join(line.format(name) for name in ("pass", "fail", "cancelled", "skipped", "todo"))
    if not (last := _last(pattern.replace("\n^", "\n"), text)):
        return None
    passed, failed, cancelled, skipped, todo = map(int, last.groups())
    _, _, listed = text.partition("✖ failing tests:\n")
    names = re.findall(r"^✖ (.+?)(?: \([\d.]+ms\))?$", listed, re.MULTILINE)
    for name, block in re.findall(r"^ *not ok \d+ - (.+)\n((?: +.*\n)*)", text, re.MULTILINE):
        if "failureType: 'subtestsFailed'" not in block.partition("...")[0] and "# TODO" not in name:
            names.append(name)
    return last.end(), _summary(
        "node", passed=passed, failed=failed, skipped=skipped + todo, errors=cancelled, names=names
    )


def _go(text: str) -> Found | None:
    """Without ``-v`` nothing is said of the tests that pass."""
    if not (last := _last(r"^(?:ok  |FAIL|\?   )\t\S+(?:\t.*| \[.+\])$|^(?:PASS|FAIL)$", text)):
        return None
    packages = re.findall(r"^(?:ok  |FAIL)\t(\S+)(.*)$", text, re.MULTILINE)
    verdicts = re.findall(r"^--- (PASS|FAIL|SKIP): (\S+)", text, re.MULTILINE)
    if not packages and not verdicts:
        return None
    by = {kind: [name for said, name in verdicts if said == kind] for kind in ("PASS", "FAIL", "SKIP")}
    broken = [name for name, rest in packages if re.search(r"\[(?:build|setup) failed\]", rest)]
    return last.end(), _summary(
        "go",
        passed=len(by["PASS"]) if "=== RUN" in text else None,
        failed=len(by["FAIL"]),
        skipped=len(by["SKIP"]),
        errors=len(broken),
        names=[*by["FAIL"], *broken],
    )


def _cargo(text: str) -> Found | None:
    """Each test binary and the documentation have a result of their own."""
    line = r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;.*$"
    if not (last := _last(line, text)):
        return None
    results = [tuple(map(int, counts)) for counts in re.findall(line, text, re.MULTILINE)]
    passed, failed, skipped = (sum(column) for column in zip(*results, strict=True))
    names = re.findall(r"^test (.+) \.\.\. FAILED$", text, re.MULTILINE)
    return last.end(), _summary("cargo", passed=passed, failed=failed, skipped=skipped, names=names)


def _rspec(text: str) -> Found | None:
    pattern = r"^(\d+) examples?, (\d+) failures?(?:, (\d+) pending)?(?:, (\d+) errors? occurred outside of examples)?$"
    if not (last := _last(pattern, text)):
        return None
    examples, failed, pending, errors = (int(count or 0) for count in last.groups())
    names = re.findall(r"^rspec \S+ # (.+)$", text[last.end() :], re.MULTILINE)
    passed = max(examples - failed - pending, 0)
    return last.end(), _summary("rspec", passed=passed, failed=failed, skipped=pending, errors=errors, names=names)


def _phpunit(text: str) -> Found | None:
    if last := _last(r"^OK \((\d+) tests?, \d+ assertions?\)$", text):
        return last.end(), _summary("phpunit", passed=int(last[1]))
    if not (last := _last(r"^Tests: (\d+), Assertions: \d+(.*)\.$", text)):
        return None
    counts = {name: int(count) for name, count in re.findall(r"(\w+): (\d+)", last[2])}
    failed, errors = counts.get("Failures", 0), counts.get("Errors", 0)
    skipped = counts.get("Skipped", 0) + counts.get("Incomplete", 0)
    return last.end(), _summary(
        "phpunit",
        passed=max(int(last[1]) - failed - errors - skipped, 0),
        failed=failed,
        skipped=skipped,
        errors=errors,
        names=re.findall(r"^\d+\) (\S+::.+)$", text[: last.start()], re.MULTILINE),
    )


READERS: tuple[Callable[[str], Found | None], ...] = (
    *(_pytest, _unittest, _jest, _vitest, _mocha, _node, _go, _cargo, _rspec, _phpunit),
)


def _summary(
    tool: str,
    *,
    passed: int | None,
    failed: int = 0,
    skipped: int = 0,
    errors: int = 0,
    names: Iterable[str] = (),
) -> TestSummary:
    failing = list(dict.fromkeys(shorten(name.strip(), MAX_NAME_CHARACTERS) for name in names))[:MAX_NAMES]
    return TestSummary(tool=tool, passed=passed, failed=failed, skipped=skipped, errors=errors, failing=failing)


def _last(pattern: str, text: str) -> re.Match[str] | None:
    found = deque(re.finditer(pattern, text, re.MULTILINE), maxlen=1)
    return found.pop() if found else None


def _counts(line: str) -> dict[str, int]:
    return {name: int(count) for count, name in re.findall(r"(\d+) ([a-z]+)", line)}
