"""The command that runs a project's tests, where nobody has named one: its own files tell."""

import asyncio
import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vgproject.errors import WorkspaceError
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.workspace import Workspace

MAX_FILE_BYTES = 1_000_000
CHECK_SECONDS = 30
PLACEHOLDER = "no test specified"
"""What ``npm init`` writes as the test script."""
LOCK_FILES = (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("package-lock.json", "npm"))
MAKE_TARGET = re.compile(r"^(?:[\w.-]+ +)*test(?: +[\w.-]+)* *::?(?!=)", re.MULTILINE)
PYTHON_TEST = re.compile(r"(?:test_.+|.+_test|conftest)\.py")


@dataclass(frozen=True)
class Candidate:
    command: str
    check: str
    """A command that succeeds only where the program of the other is there."""


async def find_test_command(workspace: Workspace) -> str | None:
    """The first that fits the project's files and whose program is there, where the session's commands run."""
    for candidate in await asyncio.to_thread(list_candidates, workspace.files):
        checked = await workspace.run(candidate.check, timeout_seconds=CHECK_SECONDS, on_output=lambda _: None)
        if checked.exit_code == 0:
            return candidate.command
    return None


def list_candidates(files: FileTree) -> list[Candidate]:
    return [*_pytest(files), *_npm(files), *_cargo(files), *_go(files), *_make(files)]


def _pytest(files: FileTree) -> Iterator[Candidate]:
    configured = (
        _read(files, "pytest.ini") is not None
        or "pytest" in _pyproject(files).get("tool", {})
        or "[tool:pytest]" in (_read(files, "setup.cfg") or "")
        or "[pytest]" in (_read(files, "tox.ini") or "")
    )
    if configured or any(_has_python_tests(files, name) for name in ("tests", "test")):
        for python in ("python", "python3"):
            yield Candidate(f"{python} -m pytest -q", f"{python} -c 'import pytest'")


def _pyproject(files: FileTree) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(files, "pyproject.toml") or "")
    except tomllib.TOMLDecodeError:
        return {}


def _has_python_tests(files: FileTree, directory: str) -> bool:
    names = _names(files, directory)
    below = (name for part in names if "." not in part for name in _names(files, f"{directory}/{part}"))
    return any(PYTHON_TEST.fullmatch(name) for name in (*names, *below))


def _npm(files: FileTree) -> Iterator[Candidate]:
    try:
        package = json.loads(_read(files, "package.json") or "{}")
        script = package["scripts"]["test"]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(script, str) and script.strip() and PLACEHOLDER not in script:
        locked = (program for name, program in LOCK_FILES if _read(files, name) is not None)
        program = next(locked, "npm")
        # Some runners would otherwise watch the files for ever.
        yield Candidate(f"CI=true {program} test", f"command -v {program}")


def _cargo(files: FileTree) -> Iterator[Candidate]:
    if _read(files, "Cargo.toml") is not None:
        # The program may be a launcher without a toolchain.
        yield Candidate("cargo test", "cargo --version")


def _go(files: FileTree) -> Iterator[Candidate]:
    if _read(files, "go.mod") is not None:
        yield Candidate("go test ./...", "go version")


def _make(files: FileTree) -> Iterator[Candidate]:
    # In the order in which make looks for them.
    texts = (_read(files, name) for name in ("GNUmakefile", "makefile", "Makefile"))
    if MAKE_TARGET.search(next((text for text in texts if text is not None), "")):
        yield Candidate("make test", "command -v make")


def _read(files: FileTree, path: str) -> str | None:
    try:
        with files.open(path) as file:
            return file.read(MAX_FILE_BYTES).decode(errors="replace")
    except WorkspaceError:
        return None


def _names(files: FileTree, directory: str) -> list[str]:
    try:
        with files.open_directory(directory) as descriptor:
            return os.listdir(descriptor)  # noqa: PTH208  (a descriptor is no path)
    except WorkspaceError:
        return []
