"""Back to any checkpoint, byte for byte, whatever was done in between; forks and branches of it."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects import create_workspace, git, make_repository, snapshot, write_files
from vgproject.errors import BadInputError, ConflictError
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.branch import create_branch
from vgproject.workspace.workspace import Workspace
from vgproject.workspace.workspaces import Workspaces

NAMES = st.sampled_from(["a.txt", "b", "sub/b.txt", "sub/deep/c", "nested/x", ".gitattributes", "x\ny", "-z", "é"])
CONTENTS = st.sampled_from(
    [
        b"",
        b"one\n",
        b"one\r\ntwo\r\n",
        b"mixed\r\nends\n",
        b"\xef\xbb\xbfbom\n",
        b"\0\xff\r\n",
        b"no end",
        b"$Id$\n",
        b"* text=auto eol=crlf ident working-tree-encoding=UTF-16 filter=x\n",
    ]
)
KINDS = st.sampled_from(["write", "write", "executable", "link", "delete", "rename", "nest", "empty"])
OPERATIONS = st.lists(st.tuples(KINDS, NAMES, NAMES, CONTENTS), max_size=8)


def act(root: Path, kind: str, name: str, other: str, content: bytes) -> None:
    place = root / name
    match kind:
        case "write" if clear(root, name):
            place.write_bytes(content)
        case "executable" if place.is_file() and not place.is_symlink():
            place.chmod(0o755 if place.stat().st_mode & 0o100 == 0 else 0o644)
        case "link" if clear(root, name):
            place.symlink_to(other)
        case "delete" if os.path.lexists(place):
            remove(place)
        case "rename" if os.path.lexists(place) and name != other and clear(root, other) and os.path.lexists(place):
            place.rename(root / other)
        case "nest":
            if clear(root, "nested/.keep") and not (root / "nested" / ".git").exists():
                subprocess.run(["git", "init", "-q", "nested"], cwd=root, check=True)
        case "empty" if clear(root, name):
            place.mkdir()


def clear(root: Path, name: str) -> bool:
    """Make room for a file of this name."""
    place = root
    for part in Path(name).parts[:-1]:
        place = place / part
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            place.unlink()
    place.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(root / name):
        remove(root / name)
    return True


def remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def empty_directories(root: Path) -> set[str]:
    return {
        str(Path(place).relative_to(root))
        for place, directories, files in os.walk(root)
        if not directories and not files and ".git" not in Path(place).relative_to(root).parts
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=OPERATIONS, after=OPERATIONS)
def test_whatever_happens_a_rewind_restores_every_byte_and_an_apply_brings_every_byte(
    before: list[tuple[str, str, str, bytes]], after: list[tuple[str, str, str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(check_rewind_and_apply(Path(directory), before, after))


async def check_rewind_and_apply(
    directory: Path, before: list[tuple[str, str, str, bytes]], after: list[tuple[str, str, str, bytes]]
) -> None:
    project = make_repository(directory / "project")
    workspace = await create_workspace(directory / "home", project)
    for operation in before:
        act(workspace.root, *operation)
    made = await workspace.checkpoint("made")
    kept, empty = snapshot(workspace.root), empty_directories(workspace.root)
    for operation in after:
        act(workspace.root, *operation)
    later = snapshot(workspace.root)
    safety = await workspace.rewind(made.id)
    assert snapshot(workspace.root) == kept
    assert empty <= empty_directories(workspace.root)
    await workspace.rewind(safety.id)
    assert snapshot(workspace.root) == later
    await patch_onto_a_copy(workspace, directory)
    await workspace.apply()
    assert files_of(snapshot(project)) == files_of(later)


async def patch_onto_a_copy(workspace: Workspace, directory: Path) -> None:
    """The diff is a patch that anybody can use."""
    copy = make_repository(directory / "copy")
    patch = await workspace.patch()
    if patch:
        (directory / "patch").write_bytes(patch)
        (copy / ".git" / "info" / "attributes").write_text("* -text -filter -ident -working-tree-encoding\n")
        git(copy, "apply", "--whitespace=nowarn", "--index", str(directory / "patch"))
    assert files_of(snapshot(copy)) == files_of(snapshot(workspace.root))


def files_of(found: dict[str, tuple[str, bytes]]) -> dict[str, tuple[str, bytes]]:
    return {name: file for name, file in found.items() if not name.endswith("/")}


async def test_a_rewind_can_be_undone_by_the_checkpoint_it_made(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    write_files(workspace.root, {"a.txt": b"changed\n", "new": b"new"})
    before = snapshot(workspace.root)
    safety = await workspace.rewind(workspace.origin.base)
    assert await workspace.changes() == []
    await workspace.rewind(safety.id)
    assert snapshot(workspace.root) == before


async def test_known_paths_and_a_look_at_everything_make_the_same_checkpoint(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project") / "sub")
    write_files(workspace.root, {"b.txt": b"changed\n", "new/file": b"new"})
    known = await workspace.checkpoint("known", ["b.txt", "new/file"])
    full = await workspace.checkpoint("full")
    assert await workspace.shadow.list_entries(known.id, full.id) == []
    assert len(await workspace.shadow.list_entries(workspace.origin.base, known.id)) == 2


async def test_a_fork_begins_with_the_checkpoint_and_outlives_its_source(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED)
    source = await workspaces.open_or_create("ses_1", project)
    write_files(source.root, {"a.txt": b"first\r\n", "new": b"new", "sub/b.txt": b"changed\n"})
    (source.root / ".gitignore").unlink()
    made = await source.checkpoint("made")
    kept, diff = snapshot(source.root), await source.diff()
    write_files(source.root, {"a.txt": b"second\n"})
    fork = await workspaces.fork("ses_1", "ses_2", made.id)
    await workspaces.delete("ses_1")
    assert snapshot(fork.root) == kept
    assert await fork.diff() == diff
    await fork.rewind(fork.origin.base)
    assert snapshot(fork.root) == snapshot(project)
    assert git(fork.root, "status", "--porcelain") == ""


async def test_a_plain_directory_is_forked_too(tmp_path: Path) -> None:
    write_files(tmp_path / "project", {"a": b"a"})
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED)
    source = await workspaces.open_or_create("ses_1", tmp_path / "project")
    write_files(source.root, {"b": b"b"})
    made = await source.checkpoint("made")
    fork = await workspaces.fork("ses_1", "ses_2", made.id)
    assert snapshot(fork.root) == snapshot(source.root)


async def test_the_result_is_a_branch_that_touches_nothing_else(tmp_path: Path) -> None:
    files = {".gitattributes": b"*.bat eol=crlf\n", "x.bat": b"a\r\nb\r\n", "a.txt": b"a\n", "gone": b"g"}
    project = make_repository(tmp_path / "project", files)
    workspace = await create_workspace(tmp_path / "home", project)
    write_files(workspace.root, {"x.bat": b"a\r\nB\r\n", "new/x": b"x"})
    (workspace.root / "gone").unlink()
    before = (snapshot(project), git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD"))
    assert await create_branch(workspace, "ses_1") == "vgproject/ses_1"
    assert (snapshot(project), git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD")) == before
    assert git(project, "diff", "--numstat", "main", "vgproject/ses_1") == "0\t1\tgone\n1\t0\tnew/x\n1\t1\tx.bat\n"
    assert git(project, "fsck", "--strict") == ""
    write_files(workspace.root, {"more": b"more"})
    await create_branch(workspace, "ses_1")
    assert git(project, "show", "vgproject/ses_1:more") == "more"
    assert git(project, "rev-list", "--count", "main..vgproject/ses_1").strip() == "1"


async def test_uncommitted_work_is_a_commit_of_its_own_in_the_branch(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    (project / "a.txt").write_bytes(b"dirty\n")
    workspace = await create_workspace(tmp_path / "home", project, uncommitted=True)
    (workspace.root / "a.txt").write_bytes(b"dirty and more\n")
    branch = await create_branch(workspace, "ses_1")
    assert git(project, "show", f"{branch}~1:a.txt") == "dirty\n"
    assert git(project, "show", f"{branch}:a.txt") == "dirty and more\n"


async def test_a_branch_that_is_checked_out_is_not_moved(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    workspace = await create_workspace(tmp_path / "home", project)
    await create_branch(workspace, "ses_1")
    git(project, "checkout", "-q", "vgproject/ses_1")
    with pytest.raises(ConflictError, match="checked out"):
        await create_branch(workspace, "ses_1")


async def test_a_plain_directory_has_no_branches(tmp_path: Path) -> None:
    write_files(tmp_path / "project", {"a": b"a"})
    workspace = await create_workspace(tmp_path / "home", tmp_path / "project")
    with pytest.raises(BadInputError, match="no git repository"):
        await create_branch(workspace, "ses_1")
