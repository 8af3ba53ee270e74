"""The server's own git directory for a workspace: checkpoints and diffs that the workspace cannot tamper with."""

from pathlib import Path
from typing import Literal

from vgproject.schema.events import FileChange
from vgproject.workspace.git import run_git

ATTRIBUTES = "* -text -filter !diff -ident -working-tree-encoding\n"
BASE = "refs/vgproject/base"


class Shadow:
    def __init__(self, directory: Path, root: Path) -> None:
        self._directory = directory
        self._root = root

    async def create(self) -> None:
        """Make the directory, and the base that all diffs are against: the files as they are now."""
        await run_git("init", "--quiet", "--bare", str(self._directory), cwd=self._root)
        (self._directory / "info").mkdir(exist_ok=True)
        (self._directory / "info" / "attributes").write_text(ATTRIBUTES)
        (self._directory / "info" / "exclude").write_text(".git\n")
        await self._git("update-ref", BASE, await self.checkpoint("base"))

    async def checkpoint(self, label: str) -> str:
        """A commit of all files that are not ignored; its id."""
        await self._git("add", "--all", ".")
        tree = (await self._git("write-tree")).decode().strip()
        return (await self._git("commit-tree", tree, "-m", label)).decode().strip()

    async def changes(self, since: str = BASE) -> list[FileChange]:
        """What is different now from the checkpoint ``since``."""
        now = await self.checkpoint("diff")
        numbers = await self._git("diff", "--numstat", "--no-renames", "-z", since, now)
        kinds = await self._git("diff", "--name-status", "--no-renames", "-z", since, now)
        return _parse(numbers, kinds)

    async def diff(self) -> bytes:
        now = await self.checkpoint("diff")
        return await self._git(
            "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--binary", BASE, now
        )

    async def _git(self, *arguments: str) -> bytes:
        return await run_git(
            f"--git-dir={self._directory}",
            f"--work-tree={self._root}",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.quotePath=false",
            *arguments,
            cwd=self._root,
        )


def _parse(numbers: bytes, kinds: bytes) -> list[FileChange]:
    words = kinds.decode(errors="surrogateescape").split("\0")
    change_of = dict(zip(words[1::2], (_kind(word) for word in words[::2]), strict=False))
    changes = []
    for line in numbers.decode(errors="surrogateescape").split("\0")[:-1]:
        additions, deletions, path = line.split("\t", 2)
        binary = additions == "-"
        changes.append(
            FileChange(
                path=path,
                change=change_of[path],
                additions=0 if binary else int(additions),
                deletions=0 if binary else int(deletions),
                binary=binary,
            )
        )
    return changes


def _kind(letter: str) -> Literal["added", "modified", "deleted"]:
    match letter:
        case "A":
            return "added"
        case "D":
            return "deleted"
        case _:
            return "modified"
