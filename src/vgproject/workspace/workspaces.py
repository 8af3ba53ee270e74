"""All workspaces: made whole or not at all, found again, listed, forked, deleted."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vgproject.errors import NotFoundError, WorkspaceError
from vgproject.workspace.boxes import Boxes
from vgproject.workspace.clone import (
    Project,
    Taken,
    carry,
    check_size,
    copy_in_thread,
    copy_index,
    create_clone,
)
from vgproject.workspace.repository import Repository, copy_if_there, find_repository
from vgproject.workspace.shadow import Shadow
from vgproject.workspace.workspace import Locks, Origin, Workspace, WorkspaceSettings


@dataclass(frozen=True)
class Wanted:
    """What of the user's checkout comes along beside what is committed."""

    uncommitted: bool = False
    carry: tuple[str, ...] = ()
    """Files and directories that git ignores, as ``.env`` or ``node_modules``."""


@dataclass(frozen=True)
class WorkspaceUse:
    session_id: str
    project: str
    bytes: int
    used_at: float
    """Seconds since 1970."""


class Workspaces:
    """Each is in a directory of its own below ``home``, which appears when all in it is there."""

    def __init__(
        self, home: Path, environment: Mapping[str, str], boxes: Boxes, settings: WorkspaceSettings | None = None
    ) -> None:
        self._home = home / "workspaces"
        self._environment = environment
        self._boxes = boxes
        self._settings = settings or WorkspaceSettings()
        self._locks = Locks()
        # Each takes a dozen processes: more at once would only keep all others waiting.
        self._making = asyncio.Semaphore(os.cpu_count() or 1)

    async def open_or_create(self, session_id: str, project: Path, wanted: Wanted | None = None) -> Workspace:
        async with self._locks.of(f"create {session_id}"):
            if not (self._home / session_id).exists():
                async with self._making:
                    with self._new_directory(session_id) as directory:
                        await self._create(directory, session_id, project, wanted or Wanted())
            return await self.open(session_id)

    async def open(self, session_id: str) -> Workspace:
        """Raises `NotFoundError` (``no_workspace``) where no task of the session has begun."""
        try:
            stored = (self._home / session_id / "workspace.json").read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                "The session has no files yet: none of its tasks has begun.", code="no_workspace"
            ) from error
        return self._workspace(self._home / session_id, Origin.model_validate_json(stored))

    async def fork(self, source_id: str, session_id: str, checkpoint_id: str) -> Workspace:
        """A workspace with the files of another's checkpoint, and diffs against the same beginning."""
        source = await self.open(source_id)
        origin = source.origin
        with self._new_directory(session_id) as directory:
            repository = await find_repository(Path(origin.project))
            pinned = await self._begin(directory, session_id, _at(repository, origin))
            shadow = self._shadow(directory)
            copied = source.shadow.directory
            await asyncio.to_thread(
                shutil.copytree, copied / "objects", shadow.directory / "objects", dirs_exist_ok=True
            )
            copy_if_there(copied / "info" / "exclude", shadow.directory / "info" / "exclude")
            if pinned:
                await copy_index(directory / "files", shadow)
            await shadow.restore(checkpoint_id, label="fork")
            _store(directory, origin)
        return await self.open(session_id)

    async def delete(self, session_id: str) -> None:
        try:
            workspace = await self.open(session_id)
        except NotFoundError:
            return
        repository = await find_repository(workspace.project) if workspace.project.is_dir() else None
        if repository:
            await repository.unpin(session_id)
        gone = self._home / f".gone-{session_id}"
        workspace.directory.rename(gone)
        await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)

    def list_ids(self) -> list[str]:
        found = self._home.iterdir() if self._home.is_dir() else iter(())
        return sorted(place.name for place in found if not place.name.startswith("."))

    async def measure(self, session_id: str) -> WorkspaceUse:
        workspace = await self.open(session_id)
        size, used_at = await asyncio.to_thread(_measure, workspace.directory)
        return WorkspaceUse(session_id, workspace.origin.project, size, used_at)

    async def _create(self, directory: Path, session_id: str, project: Path, wanted: Wanted) -> None:
        repository = await find_repository(project)
        cloned = await self._begin(directory, session_id, repository)
        top = repository.top if repository else project
        files, taken, shadow = directory / "files", Taken(), self._shadow(directory)
        listing = Project(top, directory / "scratch.git", repository)
        await listing.open()
        if repository and cloned:
            await copy_index(files, shadow)
            await self._take(listing, top, files, taken, wanted)
            taken.notes += [f"The submodule {path!r} is left empty." for path in await repository.list_submodules()]
        else:
            paths = await listing.list_untracked()
            limits = self._settings
            check_size(top, paths, max_bytes=limits.copy_max_bytes, max_files=limits.copy_max_files)
            await copy_in_thread(top, files, paths)
        prefix = repository.prefix if repository else ""
        for path in wanted.carry:
            if await asyncio.to_thread(carry, project, files / prefix, path):
                taken.carried.append(path)
            else:
                taken.notes.append(f"{path!r} is to be carried along, and the project has no such file.")
        shutil.rmtree(directory / "scratch.git")
        origin = Origin(
            project=str(project),
            top=str(top),
            prefix=prefix,
            objects=str(repository.objects) if repository else None,
            commit=repository.commit if repository else None,
            branch=repository.branch if repository else None,
            base=(await shadow.checkpoint("base")).id,
            uncommitted=taken.uncommitted,
            left_behind=taken.left_behind,
            carried=taken.carried,
            notes=taken.notes,
        )
        _store(directory, origin)

    async def _begin(self, directory: Path, session_id: str, repository: Repository | None) -> bool:
        """The clone and the shadow directory; true if there is a commit in the clone."""
        files, shadow = directory / "files", self._shadow(directory)
        files.mkdir()
        if repository is None:
            await shadow.create()
            return False
        if repository.commit:
            await repository.pin(session_id, repository.commit)
        await create_clone(repository, files)
        await shadow.create(object_format=repository.object_format, objects=repository.objects)
        copy_if_there(repository.common_dir / "info" / "exclude", shadow.directory / "info" / "exclude")
        return repository.commit is not None

    async def _take(self, listing: Project, top: Path, files: Path, taken: Taken, wanted: Wanted) -> None:
        paths = await listing.list_uncommitted()
        if wanted.uncommitted:
            taken.uncommitted = paths
            await copy_in_thread(top, files, paths)
        else:
            taken.left_behind = paths

    @contextmanager
    def _new_directory(self, session_id: str) -> Iterator[Path]:
        """A directory that gets its name when the block ends well; what an earlier crash left of it is removed."""
        part = self._home / f".new-{session_id}"
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir(parents=True)
            for path in (self._home, part):
                # Where the server is root, the session's own user passes through, and reads nothing.
                path.chmod(0o700 if os.getuid() else 0o711)
            yield part
            for path in part.iterdir():
                path.chmod(0o700 if path.is_dir() else 0o600)
            part.rename(self._home / session_id)
        except OSError as error:
            raise WorkspaceError(f"The workspace cannot be made: {error}", code="workspace_not_made") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _shadow(self, directory: Path) -> Shadow:
        lock = self._locks.of(f"workspace {directory.name}")
        limit = self._settings.checkpoint_max_file_bytes
        return Shadow(directory / "shadow.git", directory / "files", lock, max_file_bytes=limit)

    def _workspace(self, directory: Path, origin: Origin) -> Workspace:
        return Workspace(directory, origin, self._environment, self._boxes, self._locks, self._settings)


def _at(repository: Repository | None, origin: Origin) -> Repository | None:
    """The repository as it was when the forked session began."""
    if repository is None:
        return None
    return Repository(
        repository.top,
        repository.git_dir,
        repository.common_dir,
        repository.object_format,
        origin.prefix,
        origin.commit,
        origin.branch,
    )


def _store(directory: Path, origin: Origin) -> None:
    (directory / "workspace.json").write_text(origin.model_dump_json())


def _measure(directory: Path) -> tuple[int, float]:
    """Bytes of all files, and when the newest was written."""
    size, newest = 0, 0.0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                found = (Path(place) / name).lstat()
            except OSError:
                continue
            size, newest = size + found.st_blocks * 512, max(newest, found.st_mtime)
    return size, newest
