"""A session's own copy of its project: files, commands, checkpoints, diffs, and the way back into the project."""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from vgproject.errors import WorkspaceError
from vgproject.schema.events import FileChange, WorkspaceCreated
from vgproject.utils.ids import new_id
from vgproject.workspace.apply import plan_apply
from vgproject.workspace.file_changes import FileChanges
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.journal import Journal, hold_directory
from vgproject.workspace.processes import MAX_OUTPUT_BYTES, CommandResult, Reason, clean_environment, run_command
from vgproject.workspace.sandbox.base import Place, Sandbox, SandboxSettings, Unconfined
from vgproject.workspace.sandbox.ownership import adopt, choose_uid
from vgproject.workspace.sandbox.watch import watch
from vgproject.workspace.shadow import Checkpoint, Shadow


class WorkspaceSettings(BaseModel):
    """``[workspace]`` in configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    copy_max_bytes: int = Field(default=1_000_000_000, ge=0)
    """How large a project may be that is no git repository, and so is copied."""
    copy_max_files: int = Field(default=100_000, ge=0)
    checkpoint_max_file_bytes: int = Field(default=50_000_000, ge=0)
    """A larger file that git does not know yet is in no checkpoint and no diff."""


class Origin(BaseModel):
    """Where a workspace comes from, and what of it the session began with. Stored beside the files."""

    model_config = ConfigDict(frozen=True)

    project: str
    top: str
    """The top of the user's checkout; the project itself where it is no repository."""
    prefix: str = ""
    """Where the project is below ``top``: empty, or a path that ends with a slash."""
    objects: str | None = None
    """The store of git objects that the clone borrows from: whoever shuts the workspace in lets it be read."""
    commit: str | None = None
    branch: str | None = None
    base: str
    """The checkpoint that all diffs are against: the files as the session found them."""
    uncommitted: list[str] = Field(default_factory=list)
    left_behind: list[str] = Field(default_factory=list)
    carried: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    def as_event(self) -> WorkspaceCreated:
        told = self.model_dump(include={"commit", "branch", "uncommitted", "left_behind", "carried", "notes"})
        return WorkspaceCreated(checkpoint_id=self.base, **told)


class Workspace:
    """``top`` is a copy of the whole repository, ``root`` the project in it, where the agents work.

    Paths of changes are relative to ``root``. Nothing of the user's checkout is touched before `apply`.
    """

    def __init__(
        self,
        directory: Path,
        origin: Origin,
        environment: Mapping[str, str],
        boxes: "Boxes",
        locks: "Locks",
        settings: WorkspaceSettings,
    ) -> None:
        self.directory = directory
        self.origin = origin
        self.top = directory / "files"
        self.root = self.top / origin.prefix
        self.project = Path(origin.project)
        self._environment = dict(environment)
        self._home = directory / "home"
        self._boxes = boxes
        self._locks = locks
        lock = locks.of(f"workspace {directory.name}")
        self.shadow = Shadow(
            directory / "shadow.git", self.top, lock, max_file_bytes=settings.checkpoint_max_file_bytes
        )
        self.files = FileTree(self.root)
        self.file_changes = FileChanges(directory / "last_change.json", self.files)
        self.journal = Journal(directory / "apply")

    async def checkpoint(self, label: str, paths: Sequence[str] | None = None) -> Checkpoint:
        """Keep the files as they are. ``paths``, relative to ``root``, are all that can have changed."""
        known = [posixpath.normpath(posixpath.join(self.origin.prefix, path)) for path in paths] if paths else None
        return await self.shadow.checkpoint(label, known)

    async def rewind(self, checkpoint_id: str) -> Checkpoint:
        """Make the files those of the checkpoint; what they were is in the checkpoint that is returned."""
        return await self.shadow.restore(checkpoint_id, label="before rewind")

    def begin_rewind(self, note: Mapping[str, object]) -> None:
        """Remember that the files are being set back, over a crash too."""
        self._write("rewind.json", note)

    def begun_rewind(self) -> dict[str, Any] | None:
        """The note of a rewind that has not ended."""
        try:
            note: dict[str, Any] = orjson.loads((self.directory / "rewind.json").read_bytes())
        except FileNotFoundError:
            return None
        return note

    def end_rewind(self) -> None:
        (self.directory / "rewind.json").unlink(missing_ok=True)

    async def changes(self, since: str | None = None) -> list[FileChange]:
        """What is different now from the checkpoint ``since``; from the session's beginning by default."""
        return self._from_root(await self.shadow.changes(since or self.origin.base))

    async def unapplied_changes(self) -> list[FileChange]:
        return await self.changes(self._applied())

    async def diff(self) -> str:
        """A unified diff of all that the session has changed, with paths from the top of the repository."""
        return (await self.patch()).decode(errors="replace")

    async def patch(self) -> bytes:
        return await self.shadow.diff(self.origin.base)

    def _from_root(self, changes: list[FileChange]) -> list[FileChange]:
        if not self.origin.prefix:
            return changes
        return [
            change.model_copy(update={"path": posixpath.relpath(change.path, self.origin.prefix)}) for change in changes
        ]

    async def new_changes(self) -> list[FileChange]:
        """What is different now from when the files were last looked at."""
        return self._from_root(await self.shadow.new_changes())

    async def run(
        self,
        command: str,
        *,
        timeout_seconds: float | None,
        on_output: Callable[[str], None],
        on_start: Callable[[], None] = lambda: None,
        max_output_bytes: int | None = MAX_OUTPUT_BYTES,
    ) -> CommandResult:
        """Run it to its end; with no ``max_output_bytes`` all that it prints is only told."""
        place = await self._prepare_place()
        words = ("env", "-C", str(self.root), "/bin/sh", "-c", command)

        def begin(pid: int) -> Coroutine[None, None, Reason]:
            on_start()
            return watch(pid, place, self._boxes.settings)

        with self._boxes.sandbox.launch(words, place) as launch:
            return await run_command(
                launch,
                cwd=self.top,
                environment=clean_environment(self._environment, self._home),
                marker=new_id("cmd"),
                timeout_seconds=timeout_seconds,
                on_output=on_output,
                watch=begin,
                max_output_bytes=max_output_bytes,
            )

    async def _prepare_place(self) -> Place:
        """Where a command runs: all that it may write belongs to its user."""
        unconfined = self._boxes.sandbox.level == "none"
        uid = None if unconfined else choose_uid(self.directory)
        path_variable = self._environment.get("PATH", "")
        temporary = self.directory / "tmp"
        place = Place(self.top, self._home, temporary, self._readable(), path_variable, uid)
        for path in (self._home, temporary):
            path.mkdir(exist_ok=True, mode=0o700)
        if uid is not None:
            for path in (self._home, temporary, self.top):
                await asyncio.to_thread(adopt, path, uid)
        return place

    def _readable(self) -> tuple[Path, ...]:
        """The stores of git objects that the clone borrows from, and those that these borrow from in turn.

        Read from the user's repository: what stands in the workspace's own ``.git`` is the agent's word.
        """
        found: list[Path] = []
        waiting = [Path(self.origin.objects)] if self.origin.objects else []
        while waiting:
            store = waiting.pop()
            found.append(store)
            listing = store / "info" / "alternates"
            named = [store / line for line in listing.read_text().splitlines()] if listing.is_file() else []
            waiting += [other for other in named if other not in found]
        return tuple(found)

    async def apply(self) -> list[FileChange]:
        """Put what is new since the last apply into the user's checkout, all or nothing; what was put there.

        The caller tells of it, then calls `end_apply`. Raises `ConflictError` (``apply_conflict``).
        """
        async with self._only_apply():
            await self._finish_apply()
            self.end_apply()
            now = (await self.shadow.checkpoint("apply")).id
            since = self._applied()
            entries = await self.shadow.list_entries(since, now)
            changes = self._from_root(await self.shadow.changes_between(since, now))
            if not entries:
                return []
            writes = await plan_apply(self.shadow, entries, self._user_top(), self.scratch())
            note: dict[str, object] = {
                "apply_id": new_id("apl"),
                "checkpoint": now,
                "changes": [change.model_dump() for change in changes],
            }
            await asyncio.to_thread(self.journal.begin, self._user_top(), writes, note)
            await self._finish_apply()
            return changes

    async def finish_apply(self) -> list[FileChange]:
        """Go on with an apply that a crash interrupted; all that it applies."""
        if not self.journal.pending:
            return []
        async with self._only_apply():
            return await self._finish_apply()

    async def _finish_apply(self) -> list[FileChange]:
        if not self.journal.pending:
            return []
        await asyncio.shield(asyncio.to_thread(self.journal.finish))
        note = self.journal.note()
        self._write("applied.json", {"checkpoint": note["checkpoint"]})
        return TypeAdapter(list[FileChange]).validate_python(note["changes"])

    def apply_id(self) -> str | None:
        """The name of the apply that has been made and not been told of."""
        return str(self.journal.note()["apply_id"]) if self.journal.pending else None

    def end_apply(self) -> None:
        self.journal.end()

    def _applied(self) -> str:
        """The checkpoint up to which the user has the session's work."""
        try:
            return str(orjson.loads((self.directory / "applied.json").read_bytes())["checkpoint"])
        except FileNotFoundError:
            return self.origin.base

    @asynccontextmanager
    async def _only_apply(self) -> AsyncIterator[None]:
        """Applies of one project come one after the other, also where several servers know it."""
        async with self._locks.of(f"project {self.origin.top}"):
            with hold_directory(self._user_top()):
                yield

    def _user_top(self) -> Path:
        top = Path(self.origin.top)
        if not top.is_dir():
            raise WorkspaceError(f"The project {self.origin.top!r} is gone.", code="no_such_project")
        return top

    def scratch(self) -> Path:
        scratch = self.directory / "merge"
        scratch.mkdir(exist_ok=True)
        return scratch

    def _write(self, name: str, value: object) -> None:
        part = self.directory / f"{name}.part"
        part.write_bytes(orjson.dumps(value))
        part.replace(self.directory / name)


@dataclass(frozen=True)
class Boxes:
    """In what the commands of all workspaces run, and their bounds."""

    sandbox: Sandbox
    settings: SandboxSettings


UNBOXED = Boxes(Unconfined(), SandboxSettings())
"""For commands that are known: they may do whatever the server's user can."""


class Locks:
    """A lock for each name, while somebody holds or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())
