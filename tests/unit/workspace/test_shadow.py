"""Checkpoints of files with any name and any content, and none of a workspace's programs run."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from projects import create_workspace, git, make_repository, snapshot, write_files
from vgproject.errors import WorkspaceError
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspace import WorkspaceSettings
from vgproject.workspace.workspaces import Workspaces

HOSTILE = [
    "new\nline",
    "tab\tand \"quotes'",
    "-rf",
    "--exec=x",
    ":(exclude)a.txt",
    "*",
    "git~1",
    "back\\slash",
    "é",
    os.fsdecode(b"bytes \xff\xfe"),
    " leading and trailing ",
    ".gitattributes",
    "sub/.gitattributes",
    ".gitmodules",
    "sub/.gitignore",
]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_file_of_any_name_is_kept_told_of_and_applied(tmp_path: Path, name: str) -> None:
    project = make_repository(tmp_path / "project")
    workspace = await create_workspace(tmp_path / "home", project)
    content = b"* text=auto eol=crlf filter=evil diff=evil ident\nline\r\n$Id$\n"
    write_files(workspace.root, {name: content})
    kept = snapshot(workspace.root)
    for paths in (None, [name]):
        made = await workspace.checkpoint("made", paths)
        assert [change.path for change in await workspace.changes()] == [name]
        (workspace.root / name).unlink()
        write_files(workspace.root, {"later": b"later"})
        await workspace.rewind(made.id)
        assert snapshot(workspace.root) == kept
    assert "+line" in await workspace.diff()
    await workspace.apply()
    assert snapshot(project) == kept


@pytest.mark.parametrize("name", [".GIT", "sub/.Git/config"])
async def test_a_name_that_git_cannot_hold_is_skipped_and_named(tmp_path: Path, name: str) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    write_files(workspace.root, {name: b"x", "fine": b"fine"})
    made = await workspace.checkpoint("made")
    assert made.skipped == (name,)
    assert [change.path for change in await workspace.changes()] == ["fine"]


async def test_a_huge_file_is_skipped_and_named_and_survives_a_rewind(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project")
    workspaces = Workspaces(tmp_path / "home", {}, UNBOXED, WorkspaceSettings(checkpoint_max_file_bytes=100))
    workspace = await workspaces.open_or_create("ses_1", project)
    write_files(workspace.root, {"huge": b"x" * 101, "new/huge": b"x" * 101, "new/small": b"s", "huge.log": b"x" * 101})
    for paths in (None, ["huge"]):
        made = await workspace.checkpoint("made", paths)
        assert made.skipped == ("huge", "new/huge")
    assert [change.path for change in await workspace.changes()] == ["new/small"]
    await workspace.rewind(workspace.origin.base)
    assert (workspace.root / "huge").exists()
    assert not (workspace.root / "new" / "small").exists()


async def test_a_link_for_gitmodules_does_not_stop_checkpoints(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    (workspace.root / ".gitmodules").symlink_to("a.txt")
    write_files(workspace.root, {"fine": b"fine"})
    await workspace.checkpoint("made")
    assert "fine" in [change.path for change in await workspace.changes()]


async def test_a_pipe_in_the_place_of_a_file_does_not_stop_checkpoints(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    kept = snapshot(workspace.root)
    (workspace.root / "a.txt").unlink()
    os.mkfifo(workspace.root / "a.txt")
    write_files(workspace.root, {"fine": b"fine"})
    await workspace.checkpoint("made")
    await workspace.rewind(workspace.origin.base)
    assert snapshot(workspace.root) == kept


@pytest.mark.parametrize("name", [".gitignore", ".gitattributes", "sub/.gitignore", "new/.gitattributes"])
async def test_a_pipe_that_git_would_wait_for_is_removed(tmp_path: Path, name: str) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    for paths in (None, ["a.txt", "sub/b.txt", "new/x"]):
        write_files(workspace.root, {"a.txt": os.urandom(8), "sub/b.txt": os.urandom(8), "new/x": os.urandom(8)})
        (workspace.root / name).unlink(missing_ok=True)
        os.mkfifo(workspace.root / name)
        async with asyncio.timeout(100):
            made = await workspace.checkpoint("made", paths)
            assert len(await workspace.shadow.list_entries(workspace.origin.base, made.id)) >= 3
    await workspace.rewind(workspace.origin.base)


async def test_ignored_files_are_in_no_checkpoint_and_stay(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    write_files(workspace.root, {"debug.log": b"log", "new/debug.log": b"log"})
    for paths in (None, ["debug.log"]):
        await workspace.checkpoint("made", paths)
        assert await workspace.changes() == []
    await workspace.rewind(workspace.origin.base)
    assert (workspace.root / "new" / "debug.log").read_bytes() == b"log"


async def test_files_of_repositories_within_are_kept_with_their_own_ignore_rules(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    make_repository(workspace.root / "new" / "nested", {".gitignore": b"*.o\n", "x.c": b"x"})
    make_repository(workspace.root / "new" / "nested" / "deeper", {"y.c": b"y"})
    (workspace.root / "unborn").mkdir()
    git(workspace.root / "unborn", "init", "-q")
    write_files(workspace.root, {"unborn/z.c": b"z", "new/nested/x.o": b"o", "x.log/nested/file": b"ignored"})
    git(workspace.root / "x.log" / "nested", "init", "-q")
    made = await workspace.checkpoint("made")
    paths = [change.path for change in await workspace.changes()]
    assert paths == ["new/nested/.gitignore", "new/nested/deeper/y.c", "new/nested/x.c", "unborn/z.c"]
    kept = snapshot(workspace.root)
    write_files(workspace.root, {"new/nested/x.c": b"changed", "new/nested/later": b"l", "unborn/z.c": b""})
    await workspace.rewind(made.id)
    assert snapshot(workspace.root) == kept


async def test_empty_directories_come_and_go(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    (workspace.root / "empty" / "inner").mkdir(parents=True)
    made = await workspace.checkpoint("made")
    (workspace.root / "empty" / "inner").rmdir()
    (workspace.root / "empty").rmdir()
    (workspace.root / "later").mkdir()
    await workspace.rewind(made.id)
    assert (workspace.root / "empty" / "inner").is_dir()
    assert not (workspace.root / "later").exists()


async def test_a_rewind_follows_no_link_out_of_the_workspace(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    (workspace.root / "hollow" / "inner").mkdir(parents=True)
    made = await workspace.checkpoint("made")
    outside = tmp_path / "outside"
    write_files(outside, {"b.txt": b"mine"})
    (workspace.root / "sub" / "b.txt").unlink()
    (workspace.root / "sub").rmdir()
    (workspace.root / "sub").symlink_to(outside)
    (workspace.root / "hollow" / "inner").rmdir()
    (workspace.root / "hollow").rmdir()
    (workspace.root / "hollow").symlink_to(outside)
    await workspace.rewind(made.id)
    assert snapshot(outside) == {"b.txt": ("plain", b"mine")}
    assert (workspace.root / "sub" / "b.txt").read_bytes() == b"b\n"


async def test_an_unknown_checkpoint_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    write_files(workspace.root, {"a.txt": b"changed\n"})
    with pytest.raises(WorkspaceError, match="no checkpoint"):
        await workspace.rewind("0" * 40)
    assert (workspace.root / "a.txt").read_bytes() == b"changed\n"


async def test_a_lock_that_a_crash_left_does_not_stop_checkpoints(tmp_path: Path) -> None:
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    (workspace.shadow.directory / "index.lock").touch()
    assert (await workspace.checkpoint("made")).id


async def test_text_is_told_from_binary_whatever_the_attributes_say(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project", {".gitattributes": b"*.py -diff\n*.bin diff\n", "x.py": b"a\n"})
    workspace = await create_workspace(tmp_path / "home", project)
    write_files(workspace.root, {"x.py": b"b\n", "x.bin": b"\0\1"})
    assert "-a\n+b\n" in await workspace.diff()
    assert "GIT binary patch" in await workspace.diff()
    assert [(change.path, change.additions, change.binary) for change in await workspace.changes()] == [
        ("x.bin", 0, True),
        ("x.py", 1, False),
    ]


def config(text: str) -> Callable[[Path, Path], None]:
    def plant(root: Path, program: Path) -> None:
        with (root / ".git" / "config").open("a") as file:
            file.write(text.replace("PROGRAM", str(program)))

    return plant


def attributes(line: str, then: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    def plant(root: Path, program: Path) -> None:
        (root / ".gitattributes").write_text(line)
        (root / "sub" / ".gitattributes").write_text(line)
        then(root, program)

    return plant


def hooks(root: Path, program: Path) -> None:
    names = ("pre-commit", "post-checkout", "post-index-change", "reference-transaction", "post-commit", "pre-auto-gc")
    (root / ".git" / "hooks").mkdir(exist_ok=True)
    for name in names:
        (root / ".git" / "hooks" / name).symlink_to(program)


def redirect(root: Path, program: Path) -> None:
    hooks(root, program)
    config("[core]\n\tfsmonitor = PROGRAM\n")(root, program)
    (root / ".git").rename(root / "elsewhere")
    (root / ".git").write_text(f"gitdir: {root / 'elsewhere'}\n")


def include(root: Path, program: Path) -> None:
    (root / "included").write_text(f"[core]\n\tfsmonitor = {program}\n\thooksPath = {program.parent}\n")
    config("[include]\n\tpath = ../included\n")(root, program)


def nested(root: Path, program: Path) -> None:
    make_repository(root / "nested", {"n": b"n"})
    config("[core]\n\tfsmonitor = PROGRAM\n")(root / "nested", program)
    hooks(root / "nested", program)


def bare(root: Path, program: Path) -> None:
    """A directory that looks like a repository without a work tree."""
    git(root, "init", "-q", "--bare", "looks-bare")
    (root / "looks-bare" / "config").write_text(f"[core]\n\tbare = true\n\tfsmonitor = {program}\n")


FSMONITOR = config("[core]\n\tfsmonitor = PROGRAM\n")
ATTACKS: dict[str, Callable[[Path, Path], None]] = {
    "hooks": hooks,
    "hooks path": config("[core]\n\thooksPath = PROGRAM/..\n"),
    "fsmonitor": FSMONITOR,
    "clean and smudge filters": attributes(
        "* filter=evil\n", config('[filter "evil"]\n\tclean = PROGRAM\n\tsmudge = PROGRAM\n\trequired = true\n')
    ),
    "process filter": attributes("* filter=evil\n", config('[filter "evil"]\n\tprocess = PROGRAM\n')),
    "diff driver": attributes("* diff=evil\n", config('[diff "evil"]\n\tcommand = PROGRAM\n')),
    "textconv": attributes("* diff=evil\n", config('[diff "evil"]\n\ttextconv = PROGRAM\n')),
    "external diff": config("[diff]\n\texternal = PROGRAM\n"),
    "merge driver": attributes("* merge=evil\n", config('[merge "evil"]\n\tdriver = PROGRAM\n')),
    "attribute macro": attributes(
        "[attr]binary filter=evil diff=evil\n* binary\n",
        config('[filter "evil"]\n\tclean = PROGRAM\n[diff "evil"]\n\tcommand = PROGRAM\n'),
    ),
    "include": include,
    "git file that leads elsewhere": redirect,
    "work tree elsewhere": config("[core]\n\tworktree = /\n\tfsmonitor = PROGRAM\n"),
    "signing program": config("[gpg]\n\tprogram = PROGRAM\n[commit]\n\tgpgSign = true\n"),
    "pager and editor": config("[core]\n\tpager = PROGRAM\n\teditor = PROGRAM\n[pager]\n\tdiff = PROGRAM\n"),
    "transport programs": config(
        "[core]\n\tsshCommand = PROGRAM\n\tgitProxy = PROGRAM\n\talternateRefsCommand = PROGRAM\n"
        "[credential]\n\thelper = !PROGRAM\n"
    ),
    "submodule update command": config('[submodule "sub"]\n\tpath = sub\n\tactive = true\n\tupdate = !PROGRAM\n'),
    "repository within": nested,
    "directory like a bare repository": bare,
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_no_planted_program_runs(tmp_path: Path, name: str) -> None:
    project = make_repository(tmp_path / "project")
    workspace = await create_workspace(tmp_path / "home", project)
    ran = tmp_path / "ran"
    program = tmp_path / "programs" / "post-checkout"
    write_files(program.parent, {program.name: f"#!/bin/sh\ntouch {ran}\ncat\n".encode()})
    program.chmod(stat.S_IRWXU)
    ATTACKS[name](workspace.root, program)
    write_files(workspace.root, {"a.txt": b"one\ntwo\nTHREE\n", "new": b"new\n"})
    made = await workspace.checkpoint("made")
    await workspace.checkpoint("known", ["a.txt", "new"])
    kept = snapshot(workspace.root)
    assert "+THREE" in await workspace.diff()
    (workspace.root / "a.txt").unlink()
    await workspace.rewind(made.id)
    assert snapshot(workspace.root) == kept
    (project / "a.txt").write_bytes(b"ONE\ntwo\nthree\n")
    await workspace.apply()
    assert (project / "a.txt").read_bytes() == b"ONE\ntwo\nTHREE\n"
    assert not ran.exists()


async def test_the_attacks_would_work_on_the_workspaces_own_directory(tmp_path: Path) -> None:
    """So that the test above could fail."""
    workspace = await create_workspace(tmp_path / "home", make_repository(tmp_path / "project"))
    ran = tmp_path / "ran"
    write_files(tmp_path, {"program": f"#!/bin/sh\ntouch {ran}\n".encode()})
    (tmp_path / "program").chmod(stat.S_IRWXU)
    FSMONITOR(workspace.root, tmp_path / "program")
    git(workspace.root, "status")
    assert ran.exists()
