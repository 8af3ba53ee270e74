"""Filling a new workspace: a clone that borrows the project's objects, or a copy; then what is to be taken along.

What ``git clone --shared`` would do is done by hand: it then works alike for shallow repositories and for work trees,
brings no remote, no hooks and no configuration, and lists branches as branches.
"""

import asyncio
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vgproject.errors import BadInputError, TooLargeError, WorkspaceError
from vgproject.workspace.git import INERT, run_git, split_paths
from vgproject.workspace.repository import Repository, copy_if_there
from vgproject.workspace.shadow import ATTRIBUTES, Shadow

CONVERTS_AT_CHECKOUT = re.compile(rb"eol=crlf|ident|working-tree-encoding")
CONFIG = """\
[core]
\trepositoryFormatVersion = {version}
\tfileMode = true
\tbare = false
\tlogAllRefUpdates = true
[gc]
\tauto = 0
[user]
\tname = vgproject
\temail = vgproject@localhost
"""


@dataclass
class Taken:
    """What of the project came into the workspace, and what did not. ``notes`` are sentences for a person."""

    uncommitted: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def create_clone(repository: Repository, files: Path) -> None:
    """A repository with the project's history and no remote, and the files of its commit."""
    git_dir = files / ".git"
    (git_dir / "objects" / "info").mkdir(parents=True)
    (git_dir / "info").mkdir()
    (git_dir / "refs").mkdir()
    sha256 = repository.object_format == "sha256"
    config = CONFIG.format(version=int(sha256)) + ("[extensions]\n\tobjectFormat = sha256\n" if sha256 else "")
    (git_dir / "config").write_text(config)
    (git_dir / "objects" / "info" / "alternates").write_bytes(os.fsencode(repository.objects) + b"\n")
    copy_if_there(repository.common_dir / "info" / "exclude", git_dir / "info" / "exclude")
    copy_if_there(repository.common_dir / "shallow", git_dir / "shallow")
    await _write_refs(repository, git_dir)
    if repository.commit:
        await _own_git(files, "reset", "--hard", "--quiet", repository.commit)


async def _write_refs(repository: Repository, git_dir: Path) -> None:
    refs = {name: commit for commit, name in await repository.list_refs()}
    head = f"refs/heads/{repository.branch}" if repository.branch else None
    if head and repository.commit:
        refs[head] = repository.commit
    (git_dir / "packed-refs").write_text("".join(f"{refs[name]} {name}\n" for name in sorted(refs)))
    (git_dir / "HEAD").write_text(f"ref: {head}\n" if head else f"{repository.commit}\n")


async def _own_git(files: Path, *arguments: str) -> bytes:
    """Git on the workspace's own directory: only before anybody else could write there."""
    return await run_git(f"--git-dir={files / '.git'}", f"--work-tree={files}", *INERT, *arguments, cwd=files)


async def copy_index(files: Path, shadow: Shadow) -> None:
    """Spare the first checkpoint from reading every file, where the files are the very bytes of the objects."""
    listing = await _own_git(files, "ls-files", "-z", "--", ":(glob)**/.gitattributes")
    contents = [(files / path).read_bytes() for path in split_paths(listing) if (files / path).is_file()]
    if not any(CONVERTS_AT_CHECKOUT.search(content) for content in contents):
        copy_if_there(files / ".git" / "index", shadow.directory / "index")
        await shadow.forget_submodules()


class Project:
    """The files in the project's own directory, listed by way of a scratch index."""

    def __init__(self, top: Path, scratch: Path, repository: Repository | None) -> None:
        """``scratch`` is a directory of ours that is removed with what is made in it."""
        self._top = top
        self._scratch = scratch
        self._repository = repository

    async def open(self) -> None:
        object_format = self._repository.object_format if self._repository else "sha1"
        words = ("--bare", "--template=", f"--object-format={object_format}")
        await run_git("init", "--quiet", *words, str(self._scratch), cwd=self._top)
        (self._scratch / "info").mkdir()
        (self._scratch / "info" / "attributes").write_text(ATTRIBUTES)
        if self._repository:
            copy_if_there(self._repository.common_dir / "info" / "exclude", self._scratch / "info" / "exclude")
            (self._scratch / "objects" / "info").mkdir(exist_ok=True)
            alternates = os.fsencode(self._repository.objects) + b"\n"
            (self._scratch / "objects" / "info" / "alternates").write_bytes(alternates)

    async def list_uncommitted(self) -> list[str]:
        """Files that are not as in the commit, deleted ones among them; ignored files are not listed."""
        repository = self._repository
        assert repository is not None
        assert repository.commit is not None
        copied = copy_if_there(repository.git_dir / "index", self._scratch / "index")
        try:
            if not copied:
                raise WorkspaceError("There is no index.")
            await self._git("update-index", "-q", "--refresh", allowed=(0, 1))
        except WorkspaceError:
            (self._scratch / "index").unlink(missing_ok=True)
            await self._git("read-tree", repository.commit)
            await self._git("update-index", "-q", "--refresh", allowed=(0, 1))
        changed = await self._git("diff-index", "--name-only", "-z", "--ignore-submodules=all", repository.commit)
        return sorted({*split_paths(changed), *await self.list_untracked()})

    async def list_untracked(self) -> list[str]:
        """Untracked files that are not ignored, also those in repositories within."""
        return await self._list_untracked(self._top, "")

    async def _list_untracked(self, directory: Path, prefix: str) -> list[str]:
        listing = split_paths(await self._git("ls-files", "--others", "--exclude-standard", "-z", top=directory))
        paths = [f"{prefix}{path}" for path in listing if not path.endswith("/")]
        for nested in (path for path in listing if path.endswith("/")):
            scratch = Project(directory / nested, self._scratch / "nested", None)
            shutil.rmtree(self._scratch / "nested", ignore_errors=True)
            await scratch.open()
            inner = await scratch.list_untracked()
            paths += [f"{prefix}{nested}{path}" for path in inner]
        return paths

    async def _git(self, *arguments: str, top: Path | None = None, allowed: Collection[int] = (0,)) -> bytes:
        top = top or self._top
        directories = (f"--git-dir={self._scratch}", f"--work-tree={top}")
        return await run_git(*directories, *INERT, *arguments, cwd=top, allowed=allowed)


def check_size(top: Path, paths: Iterable[str], *, max_bytes: int, max_files: int) -> None:
    """Raises `TooLargeError` (``project_too_large``) that names the biggest directories."""
    bytes_in: Counter[str] = Counter()
    files_in: Counter[str] = Counter()
    for path in paths:
        first = path.split("/")[0]
        files_in[first] += 1
        try:
            bytes_in[first] += (top / path).lstat().st_size
        except OSError:
            continue
    if bytes_in.total() <= max_bytes and files_in.total() <= max_files:
        return
    biggest = ", ".join(
        f"{name!r} ({size / 1e6:.0f} MB, {files_in[name]} files)" for name, size in bytes_in.most_common(3)
    )
    raise TooLargeError(
        f"The project {str(top)!r} is no git repository and too large to copy ({bytes_in.total() / 1e6:.0f} MB,"
        f" {files_in.total()} files; allowed are {max_bytes / 1e6:.0f} MB and {max_files} files). The biggest parts are"
        f" {biggest}: list what is not needed in a .gitignore, or make it a repository.",
        code="project_too_large",
    )


def copy_paths(top: Path, files: Path, paths: Iterable[str]) -> None:
    """Make each path in ``files`` what it is in ``top``: a file, a symbolic link, or not there."""
    paths = list(paths)
    for path in paths:
        target = files / path
        if _parents_are_directories(files, path) and (target.is_symlink() or target.is_file()):
            target.unlink()
    for path in paths:
        copy_file(top / path, files / path)


def _parents_are_directories(root: Path, path: str) -> bool:
    place = root
    for part in Path(path).parts[:-1]:
        place = place / part
        if place.is_symlink() or not place.is_dir():
            return False
    return True


def copy_file(source: Path, target: Path) -> None:
    """Copy a file or a link; sockets, pipes, devices and what is not there are left out."""
    try:
        kind = source.lstat().st_mode
    except OSError:
        return
    if stat.S_ISREG(kind) or stat.S_ISLNK(kind):
        if target.parent.is_dir() is False:
            target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        shutil.copy2(source, target, follow_symlinks=False)


def check_carry(path: str) -> None:
    """Raises `BadInputError` (``invalid_carry``) for what is not within the project."""
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts or ".git" in parts:
        raise BadInputError(
            f"{path!r} cannot be carried: it must be a path within the project, as '.env' or 'node_modules'.",
            code="invalid_carry",
        )


def carry(top: Path, files: Path, path: str) -> bool:
    """Copy a file or directory that git ignores. False where the project has none of this name."""
    check_carry(path)
    if not _parents_are_directories(top, path) or not os.path.lexists(top / path):
        return False
    source, target = top / path, files / path
    if source.is_symlink() or not source.is_dir():
        copy_file(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target, symlinks=True, ignore=_special_files, dirs_exist_ok=True)
    return True


def _special_files(directory: str, names: list[str]) -> list[str]:
    kinds = {name: (Path(directory) / name).lstat().st_mode for name in names}
    return [
        name for name, kind in kinds.items() if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind) or stat.S_ISDIR(kind))
    ]


async def copy_in_thread(top: Path, files: Path, paths: list[str]) -> None:
    await asyncio.to_thread(copy_paths, top, files, paths)
