"""The user's repository: looked at, and otherwise left alone.

All that is written before somebody applies is one ref below ``refs/vgproject/``: it keeps ``git gc`` from removing the
commit that a session's clone borrows its objects from.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from vgproject.errors import WorkspaceError
from vgproject.workspace.git import INERT, run_git, split_paths

PINS = "refs/vgproject/base/"
"""Not ``refs/vgproject/`` itself: git would take it for the branch ``vgproject/SESSION``."""


@dataclass(frozen=True)
class Repository:
    """``git_dir`` is the work tree's own, ``common_dir`` what all work trees of the repository share."""

    top: Path
    git_dir: Path
    common_dir: Path
    object_format: str
    prefix: str
    """Where the project is below ``top``: empty, or a path that ends with a slash."""
    commit: str | None
    branch: str | None

    @property
    def objects(self) -> Path:
        return self.common_dir / "objects"

    async def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return await run_git(*INERT, *arguments, cwd=self.top, stdin=stdin)

    async def pin(self, name: str, commit: str) -> None:
        """Keep ``commit`` from being collected. A repository that cannot be written cannot be collected either."""
        try:
            await self.run("update-ref", f"{PINS}{name}", commit)
        except WorkspaceError as error:
            if "ermission denied" not in error.message and "ead-only" not in error.message:
                raise

    async def unpin(self, name: str) -> None:
        await self.run("update-ref", "-d", f"{PINS}{name}")

    async def list_refs(self) -> list[tuple[str, str]]:
        """(object, name) of branches, remote branches and tags."""
        listing = await self.run(
            "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes", "refs/tags"
        )
        return [(line[: line.index(" ")], line[line.index(" ") + 1 :]) for line in listing.decode().splitlines()]

    async def list_submodules(self) -> list[str]:
        if self.commit is None:
            return []
        entries = split_paths(await self.run("ls-tree", "-r", "-z", "--full-tree", self.commit))
        return [entry.partition("\t")[2] for entry in entries if entry.startswith("160000 ")]


async def find_repository(project: Path) -> Repository | None:
    """The repository that ``project`` is part of; ``None`` for one that is in none, or is not tracked there."""
    try:
        facts = await run_git(
            *INERT,
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-dir",
            "--git-common-dir",
            "--show-object-format",
            "--show-prefix",
            cwd=project,
        )
    except WorkspaceError as error:
        if error.code == "git_missing":
            raise
        return None
    top, git_dir, common_dir, object_format, prefix = facts.decode(errors="surrogateescape").split("\n")[:5]
    commit = await _answer(project, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    branch = await _answer(project, "symbolic-ref", "--quiet", "--short", "HEAD")
    found = Repository(Path(top), Path(git_dir), Path(common_dir), object_format, prefix, commit, branch)
    if prefix and not (commit and await run_git(*INERT, "ls-tree", "--full-tree", commit, prefix, cwd=project)):
        return None
    return found


async def _answer(project: Path, *arguments: str) -> str | None:
    return (await run_git(*INERT, *arguments, cwd=project, allowed=(0, 1))).decode().strip() or None


def copy_if_there(source: Path, target: Path) -> bool:
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        return False
    return True
