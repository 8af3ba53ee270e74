"""Which files of the user's an apply would change, and how; nothing is changed here."""

from collections.abc import Sequence
from pathlib import Path

from vgproject.errors import ConflictError
from vgproject.workspace.journal import Write, read_file
from vgproject.workspace.merge import File, FileConflictError, merge_file
from vgproject.workspace.shadow import Entry, Shadow


async def plan_apply(shadow: Shadow, entries: Sequence[Entry], top: Path, scratch: Path) -> list[Write]:
    """Raises `ConflictError` (``apply_conflict``) that names every file that does not fit, and why."""
    conflicts: list[dict[str, str]] = []
    writes = []
    deleted = {entry.path for entry in entries if entry.new_mode is None}
    for entry in entries:
        try:
            writes += await _plan_one(shadow, entry, deleted, top, scratch)
        except FileConflictError as conflict:
            conflicts.append({"path": entry.path, "reason": str(conflict)})
    if conflicts:
        named = "; ".join(f"{conflict['path']}: {conflict['reason']}" for conflict in conflicts)
        raise ConflictError(
            f"Nothing was applied, because the project has changed in the same places. {named}.",
            code="apply_conflict",
            conflicts=conflicts,
        )
    return writes


async def _plan_one(shadow: Shadow, entry: Entry, deleted: set[str], top: Path, scratch: Path) -> list[Write]:
    user = read_file(top, entry.path)
    if entry.new_mode is not None:
        _check_place(top, entry.path, deleted)
    base = await _file(shadow, entry.old_mode, entry.old)
    session = await _file(shadow, entry.new_mode, entry.new)
    if user is None and session is None:
        return []
    result = await merge_file(base, session, user, scratch)
    return [] if result == user else [Write(entry.path, user, result)]


async def _file(shadow: Shadow, mode: str | None, object_id: str) -> File | None:
    return File(mode, await shadow.read_blob(object_id)) if mode else None


def _check_place(top: Path, path: str, deleted: set[str]) -> None:
    """Raises `FileConflictError` where something other than a file stands where the file or its parents belong."""
    parts = Path(path).parts
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        place = top / parent
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            if parent not in deleted:
                raise FileConflictError(f"{parent!r} is not a directory here")
            return
    place = top / path
    if place.is_dir() and not place.is_symlink():
        others = [found for found in place.rglob("*") if found.is_symlink() or not found.is_dir()]
        if any(str(found.relative_to(top)) not in deleted for found in others):
            raise FileConflictError("a directory with other files is in the way")
    elif place.exists() and not place.is_file():
        raise FileConflictError("something that is no file is in the way")
