"""A session's changes in the user's checkout: all or nothing, also after a crash."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projects import commit_all, create_workspace, git, make_repository, snapshot, write_files
from vgproject.errors import ConflictError
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspace import Workspace
from vgproject.workspace.workspaces import Workspaces

TEXT = b"".join(b"line %d\n" % number for number in range(20))
FILES = {
    "text": TEXT,
    "crlf": b"a\r\nb\r\n",
    "binary": b"\0\1\2",
    "tool.sh": b"#!/bin/sh\n",
    "gone": b"g\n",
    "dir/f": b"f\n",
}


async def prepare(tmp_path: Path) -> tuple[Path, Workspace]:
    project = make_repository(tmp_path / "project", FILES)
    (project / "link").symlink_to("text")
    commit_all(project)
    return project, await create_workspace(tmp_path / "home", project)


def change_everything(root: Path) -> None:
    (root / "text").write_bytes(TEXT.replace(b"line 3\n", b"line three\n"))
    (root / "crlf").write_bytes(b"a\r\nB\r\nlast without end")
    (root / "binary").write_bytes(b"\0\xff\r\n")
    (root / "tool.sh").chmod(0o755)
    (root / "gone").unlink()
    (root / "link").unlink()
    (root / "link").symlink_to("dir/f")
    (root / "dir" / "f").rename(root / "renamed")
    (root / "dir").rmdir()
    (root / "dir").write_bytes(b"now a file\n")
    write_files(root, {"new/deep/file": b"\xef\xbb\xbfnew", "name\nwith\x01 \"quotes'": b"x", "-dash": b"d"})
    (root / os.fsdecode(b"latin-\xe9")).write_bytes(b"\xe9")


async def test_all_kinds_of_change_arrive_byte_for_byte(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    change_everything(workspace.root)
    applied = await workspace.apply()
    workspace.end_apply()
    assert snapshot(project) == snapshot(workspace.root)
    assert {change.path for change in applied} >= {"text", "dir", "dir/f", "-dash"}
    assert await workspace.unapplied_changes() == []
    assert not any("vgproject" in name for name in snapshot(project))


async def test_unrelated_work_of_the_user_stays_and_is_merged_in_other_lines(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    (workspace.root / "text").write_bytes(TEXT.replace(b"line 3\n", b"line three\n"))
    (project / "text").write_bytes(TEXT.replace(b"line 17\n", b"line seventeen\n"))
    (project / "text").chmod(0o640)
    write_files(project, {"mine": b"mine", "binary": b"\0mine"})
    await workspace.apply()
    merged = TEXT.replace(b"line 3\n", b"line three\n").replace(b"line 17\n", b"line seventeen\n")
    assert (project / "text").read_bytes() == merged
    assert (project / "text").stat().st_mode & 0o777 == 0o640
    assert (project / "binary").read_bytes() == b"\0mine"


async def test_a_checkout_with_other_line_ends_keeps_them(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    (project / "text").write_bytes(TEXT.replace(b"\n", b"\r\n"))
    (workspace.root / "text").write_bytes(TEXT + b"more\n")
    await workspace.apply()
    assert (project / "text").read_bytes() == (TEXT + b"more\n").replace(b"\n", b"\r\n")


def write(path: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: write_files(root, {path: content})


def unlink(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).unlink()


def replace_by_link(path: str) -> Callable[[Path], object]:
    def act(root: Path) -> None:
        (root / path).unlink()
        (root / path).symlink_to("/etc/passwd")

    return act


def parent_is_link(root: Path) -> None:
    (root / "dir" / "f").unlink()
    (root / "dir").rmdir()
    (root / "dir").symlink_to("/tmp")


CONFLICTS = {
    "the same lines": (write("text", b"session\n"), write("text", b"user\n"), "text", "same lines"),
    "a binary file": (write("binary", b"\0session"), write("binary", b"\0user"), "binary", "binary"),
    "deleted here": (write("text", b"session\n"), unlink("text"), "text", "deleted here"),
    "deleted there": (unlink("text"), write("text", b"user\n"), "text", "session deletes"),
    "a new file in the way": (write("new", b"session"), write("new", b"user"), "new", "another one"),
    "a directory in the way": (write("new", b"session"), write("new/mine", b"user"), "new", "in the way"),
    "a file where a directory belongs": (write("new/x", b"session"), write("new", b"user"), "new/x", "not a directory"),
    "a link for the file": (write("text", b"session\n"), replace_by_link("text"), "text", "symbolic link"),
    "a link for the parent": (write("dir/g", b"session\n"), parent_is_link, "dir/g", "not a directory"),
}


@pytest.mark.parametrize("name", CONFLICTS)
async def test_a_conflict_is_named_and_not_a_byte_is_changed(tmp_path: Path, name: str) -> None:
    session_acts, user_acts, path, reason = CONFLICTS[name]
    project, workspace = await prepare(tmp_path)
    session_acts(workspace.root)
    write_files(workspace.root, {"fits": b"fits"})
    user_acts(project)
    before = snapshot(project)
    with pytest.raises(ConflictError) as raised:
        await workspace.apply()
    assert [conflict["path"] for conflict in raised.value.details["conflicts"]] == [path]
    assert reason in raised.value.details["conflicts"][0]["reason"]
    assert snapshot(project) == before
    user = {key: file for key, file in snapshot(project).items() if key == path}
    assert (await workspace.unapplied_changes()) != [], user


async def test_applied_again_only_what_is_new_arrives(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    (workspace.root / "text").write_bytes(b"first\n")
    await workspace.apply()
    assert await workspace.apply() == []
    (project / "text").write_bytes(b"first\nof the user\n")
    write_files(workspace.root, {"second": b"second"})
    assert [change.path for change in await workspace.apply()] == ["second"]
    assert (project / "text").read_bytes() == b"first\nof the user\n"


async def test_sessions_of_one_project_are_applied_one_after_the_other(tmp_path: Path) -> None:
    project, _ = await prepare(tmp_path)
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED)
    one = await workspaces.open("ses_1")
    two = await workspaces.open_or_create("ses_2", project)
    (one.root / "text").write_bytes(TEXT.replace(b"line 3\n", b"three\n"))
    (two.root / "text").write_bytes(TEXT.replace(b"line 17\n", b"seventeen\n"))
    await asyncio.gather(one.apply(), two.apply())
    assert (project / "text").read_bytes() == TEXT.replace(b"line 3\n", b"three\n").replace(
        b"line 17\n", b"seventeen\n"
    )


async def test_uncommitted_work_that_was_taken_along_is_no_conflict(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project", FILES)
    (project / "text").write_bytes(b"dirty\n")
    workspace = await create_workspace(tmp_path / "home", project, uncommitted=True)
    (workspace.root / "text").write_bytes(b"dirty\nand more\n")
    await workspace.apply()
    assert (project / "text").read_bytes() == b"dirty\nand more\n"


async def test_a_plain_directory_is_applied_to_as_well(tmp_path: Path) -> None:
    write_files(tmp_path / "project", FILES)
    workspace = await create_workspace(tmp_path / "home", tmp_path / "project")
    write_files(workspace.root, {"text": b"changed\n", "new/x": b"x"})
    (workspace.root / "gone").unlink()
    await workspace.apply()
    assert snapshot(tmp_path / "project") == snapshot(workspace.root)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspaces import Workspaces

home, kill_at = Path(sys.argv[1]), int(sys.argv[2])
count = 0

def audit(event, arguments):
    global count
    if event == "os.rename" or event == "os.remove":
        count += 1
        if count > kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    workspace = await Workspaces(home, {}, UNBOXED).open("ses_1")
    sys.addaudithook(audit)
    await workspace.apply()

asyncio.run(main())
"""


def apply_and_kill(home: Path, kill_at: int) -> bool:
    words = [sys.executable, "-c", KILLED, str(home), str(kill_at)]
    return subprocess.run(words, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("kill_at", range(0, 24, 3))
async def test_an_apply_that_is_killed_is_not_begun_or_is_finished_by_the_next(tmp_path: Path, kill_at: int) -> None:
    project, workspace = await prepare(tmp_path)
    change_everything(workspace.root)
    before = snapshot(project)
    killed = apply_and_kill(tmp_path / "home", kill_at)
    again = await Workspaces(tmp_path / "home", {}, UNBOXED).open("ses_1")
    began = again.journal.pending
    told = await again.finish_apply()
    assert bool(told) == began
    assert snapshot(project) == (snapshot(workspace.root) if began else before)
    assert killed
    again.end_apply()
    await again.apply()
    assert snapshot(project) == snapshot(workspace.root)


async def test_a_file_that_the_user_changed_after_the_crash_stays_the_users(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    change_everything(workspace.root)
    assert apply_and_kill(tmp_path / "home", 8)
    assert workspace.journal.pending
    (project / "text").write_bytes(b"the user's\n")
    await workspace.finish_apply()
    expected = snapshot(workspace.root) | {"text": ("plain", b"the user's\n")}
    assert snapshot(project) == expected


async def test_applied_files_belong_to_the_projects_owner(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    write_files(workspace.root, {"new/x": b"x"})
    if os.geteuid() == 0:
        os.chown(project, 1234, 1234)
    await workspace.apply()
    assert {(project / name).stat().st_uid for name in ("new", "new/x")} == {project.stat().st_uid}


async def test_the_users_index_is_left_alone(tmp_path: Path) -> None:
    project, workspace = await prepare(tmp_path)
    (workspace.root / "text").write_bytes(b"changed\n")
    await workspace.apply()
    assert git(project, "diff", "--cached") == ""
    assert git(project, "status", "--porcelain") == " M text\n"
