"""How long checkpoints, rewinds and diffs of a large tree take: ``python benchmarks/checkpoints.py [FILES]``."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from vgproject.workspace.workspaces import Workspaces

ROUNDS = 7


async def measure(files: int = 11_000) -> dict[str, float]:
    """Milliseconds, the median of several rounds, beside a plain ``git status`` of the same tree."""
    with tempfile.TemporaryDirectory() as directory:
        project = make_project(Path(directory) / "project", files)
        began = time.perf_counter()
        workspace = await Workspaces(Path(directory) / "home", {}).open_or_create("ses_1", project)
        figures = {"create": (time.perf_counter() - began) * 1000}
        changed = [workspace.root / f"dir{number:03}" / "file0.py" for number in range(3)]
        known = [str(path.relative_to(workspace.root)) for path in changed]

        def edit() -> None:
            for path in changed:
                path.write_text(f"changed at {time.time_ns()}\n")

        first = await workspace.checkpoint("first")
        actions: dict[str, Callable[[], Awaitable[object]]] = {
            "checkpoint": lambda: workspace.checkpoint("all"),
            "checkpoint of known paths": lambda: workspace.checkpoint("known", known),
            "changes": workspace.changes,
            "diff": workspace.diff,
            "rewind": lambda: workspace.rewind(first.id),
            "git status": lambda: asyncio.to_thread(_git, project, "status", "--porcelain"),
        }
        for name, action in actions.items():
            figures[name] = await _median(action, edit)
        return {name: round(figure, 1) for name, figure in figures.items()}


async def _median(action: Callable[[], Awaitable[object]], before: Callable[[], None]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        before()
        began = time.perf_counter()
        await action()
        rounds.append((time.perf_counter() - began) * 1000)
    return statistics.median(rounds)


def make_project(directory: Path, files: int) -> Path:
    for number in range(files // 40):
        (directory / f"dir{number:03}").mkdir(parents=True)
        for name in range(40):
            (directory / f"dir{number:03}" / f"file{name}.py").write_text(f"value = {number * 40 + name}\n" * 20)
    _git(directory, "init", "-q")
    _git(directory, "add", "-A")
    _git(directory, "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "Files")
    return directory


def _git(directory: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=directory, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    for name, milliseconds in asyncio.run(measure(*(int(word) for word in sys.argv[1:]))).items():
        print(f"{name:<28} {milliseconds:8.1f} ms")
