"""What is in directories that git knows nothing of: repositories within the workspace, empty directories, huge files."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

READ_BY_GIT = frozenset({".gitignore", ".gitattributes"})


@dataclass
class Survey:
    nested: list[str] = field(default_factory=list)
    """Directories with a ``.git`` of their own. Git would record only a commit of theirs, not their files."""
    empty: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Files that are too large, or that git can never hold."""


def survey(root: Path, entries: Iterable[str], *, max_file_bytes: int) -> Survey:
    """``entries`` are untracked files, and directories that end with a slash. No symbolic link is followed."""
    found = Survey()
    for entry in entries:
        if not entry.endswith("/"):
            _look_at_file(root, entry, max_file_bytes, found)
        else:
            for directory, directories, files in _walk(root, entry.rstrip("/")):
                if ".git" in directories or ".git" in files:
                    found.nested.append(directory)
                if not directories and not files:
                    found.empty.append(directory)
                for name in files:
                    _look_at_file(root, f"{directory}/{name}", max_file_bytes, found)
    return found


def remove_traps(root: Path, paths: Iterable[str] | None = None) -> None:
    """Remove pipes with the names of files that git opens on its way: it would wait for a writer for ever.

    Of ``paths``, only the directories above them are looked at.
    """
    if paths is None:
        directories = {directory for directory, _, files in _walk(root, ".") if not READ_BY_GIT.isdisjoint(files)}
    else:
        parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
        directories = {parent for parent in parents if _is_directory(root, parent)}
    for directory in directories:
        for name in READ_BY_GIT:
            if (root / directory / name).is_fifo():
                (root / directory / name).unlink()


def _walk(root: Path, start: str) -> Iterator[tuple[str, list[str], list[str]]]:
    waiting = [start]
    while waiting:
        directory = waiting.pop()
        directories: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(root / directory) as entries:
                for entry in entries:
                    (directories if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        except OSError:
            continue
        yield directory, directories, files
        waiting += [f"{directory}/{name}" for name in directories if name != ".git"]


def _look_at_file(root: Path, path: str, max_file_bytes: int, found: Survey) -> None:
    try:
        size = (root / path).lstat().st_size
    except OSError:
        return
    # Git holds no path with a component like ".GIT", whatever the file system makes of it.
    foreign = any(part.lower() == ".git" and part != ".git" for part in path.split("/"))
    if size > max_file_bytes or foreign:
        found.skipped.append(path)


def emptied_directories(root: Path, removed: Iterable[str]) -> set[str]:
    """Empty directories above these files that are gone, or in their place."""
    empty: set[str] = set()
    for path in removed:
        if _is_directory(root, path):
            empty.update(directory for directory, inner, files in _walk(root, path) if not inner and not files)
        parents = (str(parent) for parent in PurePosixPath(path).parents)
        nearest = next((parent for parent in parents if _is_directory(root, parent)), ".")
        if nearest != "." and not any((root / nearest).iterdir()):
            empty.add(nearest)
    return empty


def _is_directory(root: Path, path: str) -> bool:
    """Also none of its parents is a symbolic link."""
    parts = PurePosixPath(path).parts
    places = [root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return all(place.is_dir() and not place.is_symlink() for place in places)
