"""A session's own copy of its project: files, commands, diffs, and the way back into the project."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson

from vgproject.errors import ConflictError, NotFoundError, WorkspaceError
from vgproject.schema.events import FileChange
from vgproject.utils.ids import new_id
from vgproject.workspace.git import run_git
from vgproject.workspace.processes import CommandResult, clean_environment, run_command
from vgproject.workspace.shadow import Shadow


class Workspace:
    """``root`` holds the files that the agents work on; ``project`` is never touched before `apply`."""

    def __init__(self, directory: Path, project: Path, environment: Mapping[str, str]) -> None:
        self.root = directory / "files"
        self.project = project
        self._environment = dict(environment)
        self._home = directory / "home"
        self.shadow = Shadow(directory / "shadow.git", self.root)

    def path(self, relative: str) -> Path:
        """The place of a file. Raises `WorkspaceError` (``outside_workspace``) for one that is not in the workspace."""
        place = (self.root / relative).resolve()
        inside = place == self.root or self.root in place.parents
        if not inside or ".git" in place.relative_to(self.root).parts:
            raise WorkspaceError(
                f"{relative!r} is not in the workspace: give a path relative to it.", code="outside_workspace"
            )
        return place

    async def head(self) -> str | None:
        """The commit that is checked out; none where the project had no commit."""
        if not (self.root / ".git").exists():
            return None
        try:
            return (await run_git("rev-parse", "--verify", "--quiet", "HEAD", cwd=self.root)).decode().strip()
        except WorkspaceError:
            return None

    async def changes(self) -> list[FileChange]:
        return await self.shadow.changes()

    async def diff(self) -> str:
        """A unified diff of all that the session has changed."""
        return (await self.shadow.diff()).decode(errors="replace")

    async def run(self, command: str, *, timeout_seconds: float, on_output: Callable[[str], None]) -> CommandResult:
        self._home.mkdir(exist_ok=True)
        return await run_command(
            command,
            cwd=self.root,
            environment=clean_environment(self._environment, self._home),
            marker=new_id("cmd"),
            timeout_seconds=timeout_seconds,
            on_output=on_output,
        )

    async def read_with(self, program: str, *words: str) -> tuple[int, str, str]:
        """Exit code, output and complaints of a trusted program that only reads the workspace."""
        process = await asyncio.create_subprocess_exec(
            program,
            *words,
            cwd=self.root,
            env=clean_environment(self._environment, self._home),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaint = await process.communicate()
        return process.returncode or 0, output.decode(errors="replace"), complaint.decode(errors="replace")

    async def apply(self) -> list[FileChange]:
        """Put the changes into the user's checkout, all or none.

        Raises `ConflictError` (``apply_conflict``) where the project has changed in the same places.
        """
        changes = await self.changes()
        patch = await self.shadow.diff()
        if not changes:
            return []
        arguments = ("apply", "--whitespace=nowarn", f"--directory={await self._prefix()}")
        try:
            await run_git(*arguments, "--check", "-", cwd=self.project, stdin=patch)
        except WorkspaceError as error:
            raise ConflictError(
                f"The changes do not fit the project as it is now: {error.message}", code="apply_conflict"
            ) from error
        await run_git(*arguments, "-", cwd=self.project, stdin=patch)
        return changes

    async def _prefix(self) -> str:
        """Where the project is below the top of its repository; git reads patch paths from there."""
        try:
            return (await run_git("rev-parse", "--show-prefix", cwd=self.project)).decode().strip()
        except WorkspaceError:
            return ""


class Workspaces:
    """All workspaces, each in a directory of its own below ``home``."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._home = home / "workspaces"
        self._environment = environment

    async def open_or_create(self, session_id: str, project: Path) -> Workspace:
        directory = self._home / session_id
        workspace = Workspace(directory, project, self._environment)
        if not (directory / "workspace.json").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True, mode=0o700)
            await _copy(project, workspace.root)
            await workspace.shadow.create()
            (directory / "workspace.json").write_bytes(orjson.dumps({"project": str(project)}))
        return workspace

    async def open(self, session_id: str) -> Workspace:
        """Raises `NotFoundError` (``no_workspace``) where no task of the session has begun."""
        try:
            stored = orjson.loads((self._home / session_id / "workspace.json").read_bytes())
        except FileNotFoundError as error:
            raise NotFoundError(
                "The session has no files yet: none of its tasks has begun.", code="no_workspace"
            ) from error
        return Workspace(self._home / session_id, Path(stored["project"]), self._environment)

    async def delete(self, session_id: str) -> None:
        shutil.rmtree(self._home / session_id, ignore_errors=True)


async def _copy(project: Path, root: Path) -> None:
    """A clone that shares the project's objects, or a copy where the project is no repository with a commit."""
    if await _is_repository(project):
        await run_git("clone", "--quiet", "--shared", str(project), str(root), cwd=project)
    else:
        shutil.copytree(project, root, symlinks=True, ignore=shutil.ignore_patterns(".git"))


async def _is_repository(project: Path) -> bool:
    """Whether ``project`` is the top of a repository that has a commit."""
    try:
        prefix = await run_git("rev-parse", "--show-prefix", cwd=project)
        await run_git("rev-parse", "--verify", "--quiet", "HEAD", cwd=project)
    except WorkspaceError:
        return False
    return not prefix.strip()
