"""What checkpoints, rewinds and diffs of a large tree take, with three files changed each time."""

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.figures import Figure
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspaces import Workspaces

FILES = 11_000
FILES_EACH = 40
ROUNDS = 7


async def measure() -> list[Figure]:
    """Medians of elapsed time."""
    with tempfile.TemporaryDirectory() as directory:
        project = await asyncio.to_thread(_make_project, Path(directory) / "project")
        workspace = await Workspaces(Path(directory) / "home", {}, UNBOXED).open_or_create("ses_1", project)
        first = await workspace.checkpoint("first")
        known = [f"dir{number:03}/file0.py" for number in range(3)]

        def edit() -> None:
            for path in known:
                (workspace.root / path).write_text(f"changed at {time.time_ns()}\n")

        actions: dict[str, tuple[float, Callable[[], Awaitable[object]]]] = {
            "checkpoint": (300, lambda: workspace.checkpoint("all")),
            "checkpoint of known paths": (200, lambda: workspace.checkpoint("known", known)),
            "diff": (300, workspace.diff),
            "rewind": (500, lambda: workspace.rewind(first.id)),
        }
        return [
            Figure(f"{name}, {FILES:,} files", await _median(action, edit), "ms", limit)
            for name, (limit, action) in actions.items()
        ]


async def _median(action: Callable[[], Awaitable[object]], before: Callable[[], None]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        before()
        began = time.perf_counter()
        await action()
        rounds.append((time.perf_counter() - began) * 1000)
    return statistics.median(rounds)


def _make_project(directory: Path) -> Path:
    for number in range(FILES):
        path = directory / f"dir{number // FILES_EACH:03}" / f"file{number % FILES_EACH}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"value = {number}\n" * 20)
    _git(directory, "init", "-q")
    _git(directory, "add", "-A")
    _git(directory, "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "Files")
    return directory


def _git(directory: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=directory, check=True, stdout=subprocess.DEVNULL)
