"""Real repositories and directories for tests of workspaces."""

import os
import subprocess
from pathlib import Path

from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspace import Workspace
from vgproject.workspace.workspaces import Wanted, Workspaces

GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@localhost",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@localhost",
}
FILES = {"a.txt": b"one\ntwo\nthree\n", "sub/b.txt": b"b\n", ".gitignore": b"*.log\n.env\n"}


def git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=directory, env=GIT_ENVIRONMENT, check=True, capture_output=True)
    return done.stdout.decode(errors="surrogateescape")


def write_files(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)


def commit_all(directory: Path) -> None:
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "A commit")


def make_repository(directory: Path, files: dict[str, bytes] | None = None, *init: str) -> Path:
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "-b", "main", *init)
    write_files(directory, FILES if files is None else files)
    commit_all(directory)
    return directory


def snapshot(directory: Path) -> dict[str, tuple[str, bytes]]:
    """Every file and link by its path, with what git keeps of its mode; directories of git's own are left out."""
    found: dict[str, tuple[str, bytes]] = {}
    for place, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != ".git"]
        for name in [*(name for name in names if name != ".git"), *directories]:
            path = Path(place) / name
            key = str(path.relative_to(directory))
            if path.is_symlink():
                found[key] = ("link", os.fsencode(path.readlink()))
            elif path.is_file():
                found[key] = ("executable" if path.stat().st_mode & 0o100 else "plain", path.read_bytes())
    return found


async def create_workspace(
    home: Path, project: Path, session_id: str = "ses_1", *, uncommitted: bool = False, carry: tuple[str, ...] = ()
) -> Workspace:
    workspaces = Workspaces(home, {"PATH": os.environ["PATH"]}, UNBOXED)
    return await workspaces.open_or_create(session_id, project, Wanted(uncommitted, carry))
