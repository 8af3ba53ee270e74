"""Nothing outside of the workspace is read or written, also while symbolic links change under our hands."""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgproject.errors import WorkspaceError
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.paths import Opener, open_beneath, open_step_by_step

ROUNDS = 1_000
SWAPS = 50
LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


@pytest.fixture(params=[open_beneath, open_step_by_step])
def opener(request: pytest.FixtureRequest) -> Opener:
    found: Opener = request.param
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "dir").mkdir(parents=True)
    (tmp_path / "root" / "dir" / "file").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("SECRET")
    return tmp_path / "root"


@contextmanager
def swapping(place: Path, target: Path) -> Iterator[Callable[[], int]]:
    """What is at ``place`` is a link to ``target`` half of the time. Gives the number of swaps."""
    link, done, swaps = place.with_name("link"), threading.Event(), 0
    link.symlink_to(target)

    def swap() -> None:
        nonlocal swaps
        while not done.is_set():
            assert LIBC.renameat2(AT_FDCWD, bytes(place), AT_FDCWD, bytes(link), RENAME_EXCHANGE) == 0
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield lambda: swaps
    finally:
        done.set()
        thread.join()
        if place.is_symlink():
            place.unlink()
            link.rename(place)


@pytest.mark.parametrize("swapped", ["dir", "dir/file"])
def test_no_byte_from_outside_is_read_while_links_are_swapped(root: Path, opener: Opener, swapped: str) -> None:
    files, rounds, read = FileTree(root, opener), 0, 0
    with swapping(root / swapped, root.parent / "outside" / swapped.removeprefix("dir").removeprefix("/")) as swaps:
        while rounds < ROUNDS or swaps() < SWAPS or not read:
            rounds += 1
            with suppress(WorkspaceError):
                assert files.read("dir/file") == b"inside"
                read += 1


@pytest.mark.parametrize("swapped", ["dir", "dir/file"])
def test_no_byte_is_written_outside_while_links_are_swapped(root: Path, opener: Opener, swapped: str) -> None:
    files, rounds, written, outside = FileTree(root, opener), 0, 0, root.parent / "outside"
    with swapping(root / swapped, outside / swapped.removeprefix("dir").removeprefix("/")) as swaps:
        while rounds < ROUNDS or swaps() < SWAPS or not written:
            rounds += 1
            with suppress(WorkspaceError):
                files.write("dir/file", b"mine")
                written += 1
                files.write("dir/new/file", b"mine")
                files.delete("dir/new/file")
    assert [path.name for path in outside.rglob("*")] == ["file"]
    assert (outside / "file").read_text() == "SECRET"


PARTS = st.sampled_from(["..", ".", "", "dir", "file", "up", "out", "abs", "self", ".git", "new", "proc", "gitlink"])


@given(parts=st.lists(PARTS, min_size=1, max_size=7))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_leads_out(root: Path, opener: Opener, parts: list[str]) -> None:
    links = {"up": "..", "out": "../outside", "abs": str(root.parent), "self": "dir", "proc": "/proc/self/root"}
    for name, target in {**links, "gitlink": ".git"}.items():
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    (root / ".git").mkdir(exist_ok=True)
    (root / ".git" / "file").write_text("config")
    files, path = FileTree(root, opener), "/".join(parts)
    with suppress(WorkspaceError):
        assert files.read(path) in (b"inside", b"mine")
    with suppress(WorkspaceError):
        files.write(path, b"mine")
    for name, target in links.items():
        assert str((root / name).readlink()) == target
    assert (root.parent / "outside" / "file").read_text() == "SECRET"
    assert [path.name for path in (root / ".git").iterdir()] == ["file"]
    assert (root / ".git" / "file").read_text() == "config"
    assert sorted(path.name for path in root.parent.iterdir()) == ["outside", "root"]


def test_a_pipe_and_a_socket_are_refused_at_once(root: Path, opener: Opener) -> None:
    os.mkfifo(root / "pipe")
    for path in ("pipe", "dir"):
        with pytest.raises(WorkspaceError):
            FileTree(root, opener).read(path)


def test_a_failed_write_leaves_nothing_behind(root: Path) -> None:
    (root / "taken").mkdir()
    with pytest.raises(WorkspaceError):
        FileTree(root).write("taken", b"x")
    assert sorted(path.name for path in root.iterdir()) == ["dir", "taken"]


def test_a_link_within_the_workspace_is_followed(root: Path) -> None:
    (root / "link").symlink_to("dir/file")
    files = FileTree(root)
    assert (files.locate("link"), files.locate("dir/new/x"), files.locate("./dir//")) == (
        "dir/file",
        "dir/new/x",
        "dir",
    )
    files.write("link", b"new")
    assert (root / "link").is_symlink()
    assert (root / "dir" / "file").read_bytes() == b"new"
