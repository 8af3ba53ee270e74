import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unit.tools.tool_workspace import Hands
from vgproject.errors import VgprojectError, WorkspaceError
from vgproject.schema.events import FileChange
from vgproject.tools.base import ToolFailure
from vgproject.workspace.file_changes import FileWrite

EDITS = {
    "exact": (b"a = 1\nb = 2\n", "a = 1", "a = 3", b"a = 3\nb = 2\n"),
    "part of a line": (b"one two three\n", "two", "2", b"one 2 three\n"),
    "several lines": (b"a\nb\nc\n", "a\nb", "x", b"x\nc\n"),
    "a line away": (b"a\nb\nc\n", "b\n", "", b"a\nc\n"),
    "CRLF stays": (b"a\r\nb\r\nc\r\n", "a\nb", "a\nx\nb", b"a\r\nx\r\nb\r\nc\r\n"),
    "CRLF given for LF": (b"a\nb\n", "a\r\nb", "x\r\ny", b"x\ny\n"),
    "mixed ends stay outside": (b"a\r\nb\nc\nd\n", "c", "x\ny", b"a\r\nb\nx\ny\nd\n"),
    "begins with a line end": (b"a\r\nb\r\n", "\nb", "\nc", b"a\r\nc\r\n"),
    "old Mac": (b"a\rb\rc", "a\nb", "x\ny", b"x\ry\rc"),
    "BOM stays": (b"\xef\xbb\xbfa = 1\n", "a = 1", "a = 2", b"\xef\xbb\xbfa = 2\n"),
    "UTF-16 stays": ("\ufeffä = 1\r\n".encode("utf-16-le"), "ä = 1", "ö\n", "\ufeffö\r\n\r\n".encode("utf-16-le")),
    "Latin-1 stays": (b"caf\xe9 = 1\n", "café = 1", "é", b"\xe9\n"),
    "no line end at the end": (b"a\nb", "b", "c", b"a\nc"),
    "trailing white space in the file": (b"a  \nb\t\nc\n", "a\nb\n", "x\n", b"x\nc\n"),
    "trailing white space in the call": (b"a\nb\nc\n", "a  \nb ", "x", b"x\nc\n"),
    "trailing space without last line end": (b"a\nb ", "b\n", "c\n", b"a\nc"),
    "indent missing": (
        b"def f():\n    if x:\n        y\n",
        "if x:\n    y",
        "if z:\n    y\n\n    w",
        b"def f():\n    if z:\n        y\n\n        w\n",
    ),
    "indent too deep": (b"if x:\n    y\n", "    if x:\n        y\n", "    z\n", b"z\n"),
    "indent of tabs": (b"f() {\n\tif x {\n\t\ty\n\t}\n}\n", "if x {\n\ty\n}", "y", b"f() {\n\ty\n}\n"),
    "exact before trailing": (b"a \na\n", "a \n", "b\n", b"b\na\n"),
    "a backslash is a backslash": (b"x\\1y\n", "x\\1y", "\\g<0>", b"\\g<0>\n"),
}

REFUSALS = {
    "not there": (b"alpha = 1\nbeta = 2\n", "alhpa = 1", "x", "not_found", "1: 'alpha = 1'"),
    "twice": (b"a\nb\na\n", "a", "x", "ambiguous", "lines 1, 3"),
    "overlapping": (b"aaa\n", "aa", "x", "ambiguous", "2 times"),
    "twice but for trailing space": (b"a \nb\na\t\n", "a\n", "x\n", "ambiguous", "lines 1, 3"),
    "twice but for indent": (b" a\n b\n\n  a\n  b\n", "a\nb\n", "x\n", "ambiguous", "lines 1, 4"),
    "indent not constant": (b"  a\n   b\n", "a\nb", "x", "not_found", "'a'"),
    "tabs are not spaces": (b"f\n\tx\n\t\ty\n", "    x\n        y", "z", "not_found", "closest"),
    "new text cannot lose the indent": (b"a\nb\n", "  a\n  b", "c", "not_found", "closest"),
    "only blank lines": (b"a\n", "\n\n\n", "x", "not_found", "No line is like it"),
    "binary": (b"\x00\x01", "a", "b", "binary", "2 bytes"),
    "no place in the encoding": (b"caf\xe9\n", "café", "€", "encoding", "latin-1"),
}


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "session")


@pytest.mark.parametrize("case", EDITS)
async def test_an_edit_changes_what_it_means_and_nothing_else(hands: Hands, case: str) -> None:
    before, old, new, after = EDITS[case]
    (hands.root / "f").write_bytes(before)
    await hands.call("edit_file", path="f", old=old, new=new)
    assert hands.files() == {"f": after}


@pytest.mark.parametrize("case", REFUSALS)
async def test_an_edit_that_cannot_be_made_says_why_and_changes_nothing(hands: Hands, case: str) -> None:
    before, old, new, code, words = REFUSALS[case]
    (hands.root / "f").write_bytes(before)
    with pytest.raises(ToolFailure) as caught:
        await hands.call("edit_file", path="f", old=old, new=new)
    assert caught.value.code == code
    assert words in caught.value.message
    assert hands.files() == {"f": before}


async def test_replace_all_replaces_every_one(hands: Hands) -> None:
    (hands.root / "f").write_bytes(b"aaa b a\r\na\r\n")
    result = await hands.call("edit_file", path="f", old="a", new="aa", replace_all=True)
    assert hands.files() == {"f": b"aaaaaa b aa\r\naa\r\n"}
    assert result.changes == [FileChange(path="f", change="modified", additions=2, deletions=2)]


async def test_a_file_that_changed_since_it_was_read_is_not_written(hands: Hands) -> None:
    (hands.root / "f").write_text("a\n")
    await hands.call("read_file", path="f")
    (hands.root / "f").write_text("a\nb\n")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("edit_file", {"path": "./f", "old": "a", "new": "x"}),
        ("write_file", {"path": "f", "content": "x"}),
    ]
    for tool, arguments in calls:
        with pytest.raises(WorkspaceError, match="read it again") as caught:
            await hands.call(tool, **arguments)
        assert caught.value.code == "changed"
    await hands.call("read_file", path="f")
    await hands.call("edit_file", path="f", old="a", new="x")
    await hands.call("edit_file", path="f", old="x", new="y")
    assert hands.files() == {"f": b"y\nb\n"}


async def test_writing_keeps_mode_line_ends_mark_and_encoding(hands: Hands) -> None:
    (hands.root / "f").write_bytes(b"\xef\xbb\xbfa\r\n")
    (hands.root / "f").chmod(0o751)
    await hands.call("write_file", path="f", content="ä\nb\n")
    assert hands.files() == {"f": "\ufeffä\r\nb\r\n".encode()}
    assert (hands.root / "f").stat().st_mode & 0o777 == 0o751


async def test_writing_makes_the_directories_and_writes_through_a_link(hands: Hands) -> None:
    await hands.call("write_file", path="a/b/c.txt", content="1")
    (hands.root / "link").symlink_to("a/b")
    result = await hands.call("write_file", path="link/c.txt", content="2")
    assert hands.files()["a/b/c.txt"] == b"2"
    assert result.changes == [FileChange(path="a/b/c.txt", change="modified", additions=1, deletions=1)]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../x", "outside_workspace"),
        ("/etc/passwd", "outside_workspace"),
        (".git/config", "outside_workspace"),
        ("a/.GIT/hooks/x", "outside_workspace"),
        ("out/x", "outside_workspace"),
        ("dir", "is_directory"),
        (".", "is_directory"),
        ("file/x", "not_a_directory"),
        ("pipe", "not_a_file"),
        ("dangling", "not_a_file"),
        ("x" * 300, "file_error"),
    ],
)
async def test_a_place_where_no_file_can_be_is_refused(hands: Hands, tmp_path: Path, path: str, code: str) -> None:
    (hands.root / "dir").mkdir()
    (hands.root / "file").write_text("")
    (hands.root / "out").symlink_to(tmp_path)
    (hands.root / "dangling").symlink_to("nowhere")
    os.mkfifo(hands.root / "pipe")
    with pytest.raises(VgprojectError) as caught:
        await hands.call("write_file", path=path, content="x")
    assert caught.value.code == code
    assert not (tmp_path / "x").exists()


async def test_after_a_crash_a_call_that_had_not_begun_is_not_done(hands: Hands) -> None:
    (hands.root / "f").write_text("b")
    assert await hands.find_done("edit_file", path="f", old="a", new="b") is None


async def test_after_a_crash_a_finished_edit_is_not_made_again(hands: Hands) -> None:
    (hands.root / "f").write_text("a")
    arguments = {"path": "f", "old": "a", "new": "aa", "replace_all": True}
    result = await hands.call("edit_file", **arguments)
    assert await hands.find_done("edit_file", **arguments) == result
    assert hands.files() == {"f": b"aa"}


async def test_after_a_crash_between_two_files_the_second_is_written_too(hands: Hands) -> None:
    await hands.call("write_file", path="one", content="1")
    await hands.call("write_file", path="two", content="2")
    result = {"text": "Done.", "changes": [], "seen": {}}
    writes = [FileWrite("one", b"1", b"I"), FileWrite("two", b"2", None), FileWrite("three", None, b"III")]
    hands.workspace.file_changes.make("call_3", writes, result)
    (hands.root / "two").write_text("2")
    (hands.root / "three").unlink()
    assert hands.workspace.file_changes.finish("call_3") == result
    assert hands.files() == {"one": b"I", "three": b"III"}


async def test_after_a_crash_a_file_in_an_unknown_state_is_left_alone(hands: Hands) -> None:
    await hands.call("write_file", path="f", content="1")
    (hands.root / "f").write_text("something else")
    with pytest.raises(WorkspaceError) as caught:
        await hands.find_done("write_file", path="f", content="1")
    assert caught.value.code == "interrupted"
    assert hands.files() == {"f": b"something else"}


async def test_a_set_of_writes_that_fails_half_way_is_put_back(hands: Hands) -> None:
    (hands.root / "one").write_text("1")
    (hands.root / "one").chmod(0o640)
    (hands.root / "dir").mkdir()
    writes = [FileWrite("one", b"1", b"I", mode=0o755), FileWrite("new", None, b"N"), FileWrite("dir/x/y", None, b"")]
    (hands.root / "dir" / "x").write_text("in the way")
    with pytest.raises(WorkspaceError):
        hands.workspace.file_changes.make("call_1", writes, {})
    assert hands.files() == {"one": b"1", "dir/x": b"in the way"}
    assert (hands.root / "one").stat().st_mode & 0o777 == 0o640


TEXT = st.text(st.sampled_from("ab \n\t"), min_size=0, max_size=12)


@given(before=TEXT, old=TEXT, new=TEXT, replace_all=st.booleans(), crlf=st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_an_edit_is_made_as_in_the_model_or_no_byte_changes(
    hands: Hands, before: str, old: str, new: str, replace_all: bool, crlf: bool
) -> None:
    end = "\r\n" if crlf and "\n" in before else "\n"
    content = before.replace("\n", end).encode()
    (hands.root / "f").write_bytes(content)
    hands.seen.clear()
    try:
        await hands.call("edit_file", path="f", old=old, new=new, replace_all=replace_all)
    except ToolFailure:
        assert hands.files() == {"f": content}
        assert before.count(old) != 1 or old in ("", new) or before.find(old) != before.rfind(old)
        return
    after = hands.files()["f"].decode()
    if old in before:
        assert after == before.replace(old, new).replace("\n", end)
    else:
        assert is_loose_edit(before, old, after.replace("\r\n", "\n"))


def is_loose_edit(before: str, old: str, after: str) -> bool:
    """Whether all lines outside of some that equal ``old`` but for white space are as they were."""
    lines, wanted = before.splitlines(keepends=True), [line.strip() for line in old.removesuffix("\n").split("\n")]
    for first in range(len(lines) - len(wanted) + 1):
        last = first + len(wanted)
        head, tail = "".join(lines[:first]), "".join(lines[last:])
        if [line.strip() for line in lines[first:last]] == wanted and after.startswith(head) and after.endswith(tail):
            return True
    return False
