"""The server's own git directory for a workspace: checkpoints and diffs that the workspace cannot tamper with.

The workspace's own ``.git`` belongs to whoever works there: its hooks, filters and drivers would run with the server's
rights. This directory is outside of every mount, and no attribute of the files reaches it: what is in a checkpoint is
the files' bytes. Ignored files are in no checkpoint.
"""

import asyncio
import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vgproject.errors import WorkspaceError
from vgproject.schema.events import FileChange
from vgproject.workspace.git import INERT, join_paths, run_git, run_git_fully, split_paths
from vgproject.workspace.survey import emptied_directories, remove_traps, survey

ATTRIBUTES = "* -text -filter !diff -ident -working-tree-encoding\n"
"""``diff`` is unset rather than switched off, so that git itself tells text from binary."""

CONFIG = """\
[core]
\tquotePath = false
\tautocrlf = false
\tprotectNTFS = false
\tprotectHFS = false
\tsymlinks = true
\tfileMode = true
\tlogAllRefUpdates = false
[advice]
\taddEmbeddedRepo = false
"""

Kind = Literal["added", "modified", "deleted"]
KINDS: dict[str, Kind] = {"A": "added", "D": "deleted"}
SUBMODULE = "160000"


@dataclass(frozen=True)
class Checkpoint:
    """``skipped`` files are in no checkpoint: too large, unreadable, or of a name that git cannot hold."""

    id: str
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One file that differs between two checkpoints; no mode is no file."""

    path: str
    old_mode: str | None
    new_mode: str | None
    old: str
    new: str
    kind: Kind


class Shadow:
    """``lock`` is the one lock of this directory in the process: git knows only one writer of an index."""

    def __init__(self, directory: Path, root: Path, lock: asyncio.Lock, *, max_file_bytes: int) -> None:
        self.directory = directory
        self._root = root
        self._lock = lock
        self._max_file_bytes = max_file_bytes

    async def create(self, *, object_format: str = "sha1", objects: Path | None = None) -> None:
        """``objects`` is a store to borrow from."""
        await run_git(
            "init",
            "--quiet",
            "--bare",
            "--template=",
            f"--object-format={object_format}",
            str(self.directory),
            cwd=self.directory.parent,
        )
        with (self.directory / "config").open("a") as config:
            config.write(CONFIG)
        (self.directory / "info").mkdir(exist_ok=True)
        (self.directory / "info" / "attributes").write_text(ATTRIBUTES)
        if objects:
            alternates = self.directory / "objects" / "info" / "alternates"
            alternates.parent.mkdir(exist_ok=True)
            alternates.write_bytes(os.fsencode(objects) + b"\n")

    async def forget_submodules(self) -> None:
        """Their directories are ordinary ones here: git would not look into them."""
        entries = split_paths(await self.git("ls-files", "--stage", "-z"))
        paths = [entry.partition("\t")[2] for entry in entries if entry.startswith(SUBMODULE)]
        if paths:
            await self.git("update-index", "--force-remove", "-z", "--stdin", stdin=join_paths(paths))

    async def checkpoint(self, label: str, paths: Sequence[str] | None = None) -> Checkpoint:
        """A commit of all files that are not ignored. Where the changed ``paths`` are known, it looks at no others."""
        async with self._lock:
            return await self._checkpoint(label, paths)

    async def _checkpoint(self, label: str, paths: Sequence[str] | None = None) -> Checkpoint:
        (self.directory / "index.lock").unlink(missing_ok=True)
        if paths is None or not await self._add_known(paths):
            await asyncio.to_thread(remove_traps, self._root)
            await self._add_all()
        facts = self._facts()
        tree = await self._tree()
        message = json.dumps({"label": label, **facts}).encode()
        commit = (await self.git("commit-tree", tree, "-F", "-", stdin=message)).decode().strip()
        return Checkpoint(commit, tuple(facts["skipped"]))

    async def _add_known(self, paths: Sequence[str]) -> bool:
        """Returns false where it takes a look at all files to be right."""
        remove_traps(self._root, paths)
        for path in paths:
            with suppress(OSError):
                found = (self._root / path).lstat()
                if found.st_size > self._max_file_bytes or (self._root / path).is_dir():
                    return False
        try:
            ignored = set(await self._ignored(paths))
            known = [path for path in paths if path not in ignored]
            await self.git("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=join_paths(known))
        except WorkspaceError:
            return False
        facts = self._facts()
        empty = [path for path in facts["empty"] if not any(known.startswith(f"{path}/") for known in paths)]
        self._save_facts([*empty, *emptied_directories(self._root, paths)], facts["skipped"])
        return True

    async def _add_all(self) -> None:
        listing = await self.git("ls-files", "-z", "--others", "--exclude-standard", "--directory")
        entries = split_paths(listing)
        found = await asyncio.to_thread(survey, self._root, entries, max_file_bytes=self._max_file_bytes)
        ignored = set(await self._ignored([*found.nested, *found.empty, *found.skipped]))
        await self._open_nested([path for path in found.nested if path not in ignored])
        skipped = [path for path in found.skipped if path not in ignored]
        pathspecs = [":(top)", *(f":(top,exclude,literal){path}" for path in skipped)]
        code, told, complaint = await self._git(
            "add",
            "--all",
            "--verbose",
            "--ignore-errors",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            stdin=join_paths(pathspecs),
            allowed=(0, 1),
        )
        if code:
            skipped += _unreadable(complaint)
        removed = [line[8:-1] for line in told.decode(errors="surrogateescape").splitlines() if line[:8] == "remove '"]
        emptied = emptied_directories(self._root, removed)
        self._save_facts([*(path for path in found.empty if path not in ignored), *emptied], skipped)

    async def _ignored(self, paths: Sequence[str]) -> list[str]:
        if not paths:
            return []
        _, output, _ = await self._git("check-ignore", "-z", "--stdin", stdin=join_paths(paths), allowed=(0, 1))
        return split_paths(output)

    async def _open_nested(self, directories: Sequence[str]) -> None:
        """Put a file of each in the index: then git takes it for an ordinary directory, with its ignore rules.

        That file is not there, so the following ``git add`` removes it.
        """
        if directories:
            blob = (await self.git("hash-object", "-w", "--stdin")).decode().strip()
            lines = [f"100644 {blob} 0\t{directory}/.vgproject-opens" for directory in directories]
            await self.git("update-index", "--add", "--replace", "-z", "--index-info", stdin=join_paths(lines))

    async def restore(self, checkpoint_id: str, *, label: str) -> Checkpoint:
        """Make the files those of the checkpoint; what they were is in the checkpoint that is returned.

        Ignored and skipped files stay.
        """
        async with self._lock:
            await self._check(checkpoint_id)
            before = await self._checkpoint(label)
            gone = self._facts()["empty"]
            await self.read_tree(checkpoint_id)
            wanted = (await self._facts_of(checkpoint_id))["empty"]
            await asyncio.to_thread(self._set_empty_directories, gone, wanted)
            self._save_facts(wanted, list(before.skipped))
            return before

    async def read_tree(self, checkpoint_id: str) -> None:
        """Make the index and the files those of the checkpoint."""
        await self.git("read-tree", "--reset", "-u", checkpoint_id)

    async def _check(self, checkpoint_id: str) -> None:
        code, _, _ = await self._git("cat-file", "-e", f"{checkpoint_id}^{{tree}}", allowed=(0, 1, 128))
        if code:
            raise WorkspaceError(f"There is no checkpoint {checkpoint_id!r}.", code="no_such_checkpoint")

    async def _facts_of(self, checkpoint_id: str) -> dict[str, list[str]]:
        commit = await self.git("cat-file", "commit", checkpoint_id)
        return {"empty": [], **json.loads(commit.partition(b"\n\n")[2])}

    def _set_empty_directories(self, gone: Collection[str], wanted: Collection[str]) -> None:
        for path in sorted(set(gone) - set(wanted), reverse=True):
            with suppress(OSError):
                (self._root / path).rmdir()
        for path in wanted:
            parents = [self._root.joinpath(*Path(path).parts[:depth]) for depth in range(1, len(Path(path).parts))]
            if not any(parent.is_symlink() for parent in parents):
                with suppress(OSError):
                    (self._root / path).mkdir(parents=True, exist_ok=True)

    async def changes(self, since: str) -> list[FileChange]:
        """What is different now from the checkpoint ``since``."""
        async with self._lock:
            now = await self._checkpoint("changes")
            return await self.changes_between(since, now.id)

    async def new_changes(self) -> list[FileChange]:
        """What is different now from the last checkpoint, or the last look."""
        async with self._lock:
            before = await self._tree()
            now = await self._checkpoint("changes")
            return await self.changes_between(before, now.id)

    async def _tree(self) -> str:
        (self.directory / "index.lock").unlink(missing_ok=True)
        return (await self.git("write-tree", "--missing-ok")).decode().strip()

    async def changes_between(self, old: str, new: str) -> list[FileChange]:
        return _parse_changes(await self._diff_tree("--raw", "--numstat", "-z", old, new))

    async def diff(self, since: str) -> bytes:
        """A unified diff, with paths from the top of the workspace."""
        async with self._lock:
            now = await self._checkpoint("diff")
            return await self._diff_tree("-p", "--binary", "--full-index", since, now.id)

    async def list_entries(self, old: str, new: str) -> list[Entry]:
        words = split_paths(await self._diff_tree("--raw", "-z", old, new))
        return [_entry(head, path) for head, path in zip(words[::2], words[1::2], strict=True)]

    async def read_blob(self, object_id: str) -> bytes:
        return await self.git("cat-file", "blob", object_id)

    async def _diff_tree(self, *arguments: str) -> bytes:
        return await self.git("diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", *arguments)

    def _facts(self) -> dict[str, list[str]]:
        """What the last look at all files found beside what git keeps."""
        try:
            facts: dict[str, list[str]] = json.loads((self.directory / "facts.json").read_text())
        except FileNotFoundError:
            return {"empty": [], "skipped": []}
        return facts

    def _save_facts(self, empty: list[str], skipped: list[str]) -> None:
        part = self.directory / "facts.part"
        part.write_text(json.dumps({"empty": sorted(set(empty)), "skipped": sorted(skipped)}))
        part.replace(self.directory / "facts.json")

    async def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return (await self._git(*arguments, stdin=stdin))[1]

    async def _git(
        self, *arguments: str, stdin: bytes = b"", allowed: Collection[int] = (0,)
    ) -> tuple[int, bytes, str]:
        return await run_git_fully(
            f"--git-dir={self.directory}",
            f"--work-tree={self._root}",
            *INERT,
            *arguments,
            cwd=self._root,
            stdin=stdin,
            allowed=allowed,
        )


def _unreadable(complaint: str) -> list[str]:
    """The files that ``git add`` names in its complaint."""
    return [line.partition("'")[2].rpartition("'")[0] for line in complaint.splitlines() if "index file '" in line]


def _entry(head: str, path: str) -> Entry:
    old_mode, new_mode, old, new, letter = head.removeprefix(":").split(" ")
    return Entry(path, _mode(old_mode), _mode(new_mode), old, new, KINDS.get(letter[0], "modified"))


def _mode(mode: str) -> str | None:
    return None if mode == "000000" else mode


def _parse_changes(output: bytes) -> list[FileChange]:
    words = split_paths(output)
    kind_of: dict[str, Kind] = {}
    at = 0
    while at < len(words) and words[at].startswith(":"):
        kind_of[words[at + 1]] = _entry(words[at], words[at + 1]).kind
        at += 2
    changes = []
    for line in words[at:]:
        additions, deletions, path = line.split("\t", 2)
        binary = additions == "-"
        changes.append(
            FileChange(
                path=path,
                change=kind_of[path],
                additions=0 if binary else int(additions),
                deletions=0 if binary else int(deletions),
                binary=binary,
            )
        )
    return changes
