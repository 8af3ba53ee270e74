"""How a workspace is made, from any kind of project."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from projects import commit_all, create_workspace, git, make_repository, snapshot, write_files
from vgproject.errors import BadInputError, TooLargeError
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspace import WorkspaceSettings
from vgproject.workspace.workspaces import Wanted, Workspaces


async def test_a_clone_has_the_history_and_no_way_back_to_the_project(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    git(project, "branch", "other")
    hook = project / ".git" / "hooks" / "post-checkout"
    write_files(project, {".git/hooks/post-checkout": b"#!/bin/sh\ntouch ran\n"})
    hook.chmod(0o755)
    workspace = await create_workspace(tmp_path / "home", project)
    assert snapshot(workspace.root) == snapshot(project)
    assert git(workspace.root, "log", "--format=%s", "other").strip() == "A commit"
    assert git(workspace.root, "branch", "--show-current").strip() == "main"
    assert git(workspace.root, "status", "--porcelain") == ""
    assert git(workspace.root, "remote") == ""
    assert not (workspace.root / ".git" / "hooks").exists()
    assert await workspace.diff() == ""


async def test_the_project_keeps_its_work_tree_branches_and_index_and_gains_one_ref(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    before = (git(project, "for-each-ref"), git(project, "status", "--porcelain"), snapshot(project))
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED)
    await workspaces.open_or_create("ses_1", project)
    assert "refs/vgproject/base/ses_1" in git(project, "for-each-ref")
    await workspaces.delete("ses_1")
    assert (git(project, "for-each-ref"), git(project, "status", "--porcelain"), snapshot(project)) == before
    assert workspaces.list_ids() == []


async def test_what_the_clone_borrows_survives_a_rewritten_history_and_gc(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    workspace = await create_workspace(tmp_path / "home", project)
    git(project, "commit", "-q", "--amend", "-m", "Another commit")
    git(project, "reflog", "expire", "--expire=now", "--all")
    git(project, "gc", "-q", "--prune=now")
    assert git(workspace.root, "fsck", "--connectivity-only", "--no-dangling") == ""


@pytest.mark.parametrize("kind", ["worktree", "shallow", "detached", "sha256", "subdirectory of a worktree"])
async def test_every_kind_of_repository_is_cloned(tmp_path: Path, kind: str) -> None:
    project = make_repository(tmp_path / "project", None, *(["--object-format=sha256"] if kind == "sha256" else []))
    (project / "a.txt").write_bytes(b"second\n")
    commit_all(project)
    inside = ""
    match kind:
        case "worktree" | "subdirectory of a worktree":
            git(project, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
            project = tmp_path / "side"
            inside = "sub" if " " in kind else ""
        case "shallow":
            git(tmp_path, "clone", "-q", "--depth=1", f"file://{project}", "shallow")
            project = tmp_path / "shallow"
        case "detached":
            git(project, "checkout", "-q", "--detach", "HEAD~1")
    workspace = await create_workspace(tmp_path / "home", project / inside)
    assert snapshot(workspace.top) == snapshot(project)
    assert workspace.root == workspace.top / inside
    assert git(workspace.top, "rev-parse", "HEAD") == git(project, "rev-parse", "HEAD")
    assert git(workspace.top, "log", "--format=%s") == git(project, "log", "--format=%s")
    assert await workspace.diff() == ""


async def test_a_project_below_the_top_sees_the_whole_repository_and_paths_of_its_own(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    workspace = await create_workspace(tmp_path / "home", project / "sub")
    (workspace.root / "b.txt").write_bytes(b"changed\n")
    (workspace.top / "a.txt").write_bytes(b"changed\n")
    assert [change.path for change in await workspace.changes()] == ["../a.txt", "b.txt"]
    await workspace.apply()
    assert (project / "sub" / "b.txt").read_bytes() == (project / "a.txt").read_bytes() == b"changed\n"


async def test_a_directory_that_its_repository_does_not_track_is_copied(tmp_path: Path) -> None:
    outer = make_repository(tmp_path / "outer", {".gitignore": b"inner\n"})
    write_files(outer / "inner", {"x": b"x"})
    workspace = await create_workspace(tmp_path / "home", outer / "inner")
    assert snapshot(workspace.root) == {"x": ("plain", b"x")}


async def test_a_plain_directory_is_copied_without_ignored_and_special_files(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write_files(project, {".gitignore": b"big/\n", "big/x": b"x", "sub/y": b"y"})
    (project / "run.sh").write_bytes(b"#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / "out").symlink_to("/etc")
    os.mkfifo(project / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(project / "s"))
        make_repository(project / "nested", {".gitignore": b"*.o\n", "n.c": b"n", "deep/n.c": b"n"})
        write_files(project, {"nested/n.o": b"o"})
        workspace = await create_workspace(tmp_path / "home", project)
    wanted = {".gitignore", "sub/y", "run.sh", "out", "nested/n.c", "nested/deep/n.c", "nested/.gitignore"}
    assert set(snapshot(workspace.root)) == wanted
    assert (workspace.root / "out").is_symlink()
    assert not (workspace.root / "nested" / ".git").exists()
    assert await workspace.diff() == ""


async def test_a_plain_directory_that_is_too_large_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    write_files(tmp_path / "project", {"data/huge.bin": b"x" * 2000, "a": b"a"})
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED, WorkspaceSettings(copy_max_bytes=1000))
    with pytest.raises(TooLargeError, match="'data'"):
        await workspaces.open_or_create("ses_1", tmp_path / "project")
    assert list((tmp_path / "home" / "workspaces").iterdir()) == []


async def test_a_repository_without_a_commit_gives_its_files(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write_files(project, {"a": b"a"})
    git(project, "init", "-q", "-b", "main")
    workspace = await create_workspace(tmp_path / "home", project)
    assert (workspace.root / "a").read_bytes() == b"a"
    (workspace.root / "b").write_bytes(b"b")
    assert [change.path for change in await workspace.changes()] == ["b"]
    assert git(workspace.root, "status", "--porcelain", "--branch").startswith("## No commits yet on main")


def make_dirty(project: Path) -> None:
    (project / "a.txt").write_bytes(b"one\nTWO\r\nthree\n")
    git(project, "add", "a.txt")
    (project / "a.txt").write_bytes(b"one\nTWO\r\nthree\nfour\n")
    (project / "sub" / "b.txt").unlink()
    write_files(project, {"new file": b"new", "debug.log": b"log", ".env": b"KEY=1"})
    (project / "link").symlink_to("a.txt")


async def test_uncommitted_work_is_left_behind_and_named(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    clean = snapshot(project)
    make_dirty(project)
    dirty = (snapshot(project), git(project, "status", "--porcelain"))
    workspace = await create_workspace(tmp_path / "home", project)
    assert snapshot(workspace.root) == clean
    assert workspace.origin.left_behind == ["a.txt", "link", "new file", "sub/b.txt"]
    assert (snapshot(project), git(project, "status", "--porcelain")) == dirty


async def test_uncommitted_work_is_taken_along_on_request_and_is_no_change_of_the_session(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    make_dirty(project)
    expected = {name: file for name, file in snapshot(project).items() if name not in ("debug.log", ".env")}
    workspace = await create_workspace(tmp_path / "home", project, uncommitted=True)
    assert snapshot(workspace.root) == expected
    assert await workspace.diff() == ""


async def test_ignored_files_are_carried_by_name_and_are_in_no_diff(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project", {".gitignore": b".env\n.venv\n"})
    write_files(project, {".env": b"KEY=1", ".venv/bin/x": b"x"})
    (project / ".venv" / "python").symlink_to("/usr/bin/python3")
    workspace = await create_workspace(tmp_path / "home", project, carry=(".env", ".venv", "absent"))
    assert snapshot(workspace.root) == snapshot(project)
    assert workspace.origin.carried == [".env", ".venv"]
    assert "absent" in workspace.origin.notes[0]
    assert await workspace.diff() == ""


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", ".git/config", "", "sub/../../secret"])
async def test_nothing_is_carried_from_outside_of_the_project(tmp_path: Path, path: str) -> None:
    project = make_repository(tmp_path / "project")
    with pytest.raises(BadInputError):
        await create_workspace(tmp_path / "home", project, carry=(path,))
    assert list((tmp_path / "home" / "workspaces").iterdir()) == []


async def test_nothing_is_carried_through_a_symbolic_link(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    write_files(tmp_path / "elsewhere", {"secret": b"s"})
    (project / "way").symlink_to(tmp_path / "elsewhere")
    workspace = await create_workspace(tmp_path / "home", project, carry=("way/secret",))
    assert workspace.origin.carried == []


async def test_a_submodule_is_left_empty_and_named(tmp_path: Path) -> None:
    make_repository(tmp_path / "library")
    project = make_repository(tmp_path / "project")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "library"), "lib")
    commit_all(project)
    workspace = await create_workspace(tmp_path / "home", project)
    assert workspace.origin.notes == ["The submodule 'lib' is left empty."]
    write_files(workspace.root, {"lib/new.txt": b"new"})
    assert [change.path for change in await workspace.changes()] == ["lib/new.txt"]


async def test_pointers_of_large_files_stay_pointers_and_line_ends_are_as_checked_out(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    attributes = b"*.bin filter=lfs diff=lfs merge=lfs -text\n*.bat eol=crlf\n"
    project = make_repository(tmp_path / "project", {".gitattributes": attributes, "x.bin": pointer, "x.bat": b"a\r\n"})
    workspace = await create_workspace(tmp_path / "home", project)
    assert (workspace.root / "x.bin").read_bytes() == pointer
    assert (workspace.root / "x.bat").read_bytes() == b"a\r\n"
    assert await workspace.diff() == ""
    first = await workspace.checkpoint("first")
    (workspace.root / "x.bat").unlink()
    await workspace.rewind(first.id)
    assert (workspace.root / "x.bat").read_bytes() == b"a\r\n"


async def test_what_a_crash_left_half_made_is_not_taken_for_a_workspace(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    write_files(tmp_path / "home" / "workspaces" / ".new-ses_1", {"files/half": b"half"})
    workspace = await create_workspace(tmp_path / "home", project)
    assert snapshot(workspace.root) == snapshot(project)
    assert [place.name for place in (tmp_path / "home" / "workspaces").iterdir()] == ["ses_1"]


async def test_several_sessions_of_one_project_are_apart(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    one = await create_workspace(tmp_path / "home", project, "ses_1")
    two = await create_workspace(tmp_path / "home", project, "ses_2")
    (one.root / "a.txt").write_bytes(b"changed\n")
    assert await two.diff() == ""


async def test_a_workspace_outlives_its_project(tmp_path: Path) -> None:
    write_files(tmp_path / "project", {"a": b"a"})
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED)
    await workspaces.open_or_create("ses_1", tmp_path / "project", Wanted())
    shutil.rmtree(tmp_path / "project")
    assert await (await workspaces.open("ses_1")).diff() == ""
    await workspaces.delete("ses_1")
    assert workspaces.list_ids() == []
