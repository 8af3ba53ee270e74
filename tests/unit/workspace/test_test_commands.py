import json
from pathlib import Path
from typing import Any

import pytest

from unit.tools.tool_workspace import Hands
from vgproject.workspace.test_commands import find_test_command, list_candidates

PYTEST = ["python -m pytest -q", "python3 -m pytest -q"]


def package(script: Any) -> str:
    return json.dumps({"scripts": {"test": script}})


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "session", path=str(tmp_path / "bin"))


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({"pytest.ini": ""}, PYTEST),
        ({"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n"}, PYTEST),
        ({"setup.cfg": "[tool:pytest]\n"}, PYTEST),
        ({"tox.ini": "[pytest]\n"}, PYTEST),
        ({"tests/test_a.py": ""}, PYTEST),
        ({"tests/unit/a_test.py": ""}, PYTEST),
        ({"package.json": package("vitest")}, ["CI=true npm test"]),
        ({"package.json": package("jest"), "yarn.lock": ""}, ["CI=true yarn test"]),
        ({"package.json": package("jest"), "pnpm-lock.yaml": ""}, ["CI=true pnpm test"]),
        ({"Cargo.toml": ""}, ["cargo test"]),
        ({"go.mod": "module x\n"}, ["go test ./..."]),
        ({"Makefile": "all:\n\techo\n\ntest: all\n\tpytest\n"}, ["make test"]),
        ({"makefile": ".PHONY: test\ntest check:\n\tpytest\n"}, ["make test"]),
        ({"pytest.ini": "", "Makefile": "test:\n"}, [*PYTEST, "make test"]),
    ],
)
def test_the_projects_files_tell_how_it_is_tested(hands: Hands, files: dict[str, str], commands: list[str]) -> None:
    write(hands.root, files)
    assert [candidate.command for candidate in list_candidates(hands.workspace.files)] == commands


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"pyproject.toml": "[project]\nname = 'x'\n"},
        {"pyproject.toml": "not toml ["},
        {"tests/data.json": "{}", "tests/fixtures/a.txt": ""},
        {"package.json": package('echo "Error: no test specified" && exit 1')},
        {"package.json": package("")},
        {"package.json": package(["a"])},
        {"package.json": "[1]"},
        {"package.json": "not json"},
        {"Makefile": "test := unit\n.PHONY: test\nlatest:\n\techo test:\n"},
    ],
)
def test_what_says_nothing_of_tests_has_no_command(hands: Hands, files: dict[str, str]) -> None:
    write(hands.root, files)
    assert list_candidates(hands.workspace.files) == []


def test_a_link_out_of_the_workspace_is_not_followed(hands: Hands, tmp_path: Path) -> None:
    (tmp_path / "outside.toml").write_text("")
    (hands.root / "Cargo.toml").symlink_to(tmp_path / "outside.toml")
    assert list_candidates(hands.workspace.files) == []


async def test_only_a_program_that_commands_can_find_is_taken(hands: Hands, tmp_path: Path) -> None:
    """The first interpreter has no pytest, so it is not the one."""
    write(hands.root, {"pytest.ini": "", "Makefile": "test:\n"})
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "sh"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    assert await find_test_command(hands.workspace) is None
    for name, code in (("python", 1), ("make", 0)):
        (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (programs / name).chmod(0o755)
    assert await find_test_command(hands.workspace) == "make test"
    (programs / "python3").write_text("#!/bin/sh\nexit 0\n")
    (programs / "python3").chmod(0o755)
    assert await find_test_command(hands.workspace) == "python3 -m pytest -q"
