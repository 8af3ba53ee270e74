import os
import re
import string
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects import create_workspace, git, make_repository, snapshot, write_files
from unit.tools.tool_workspace import Hands
from vgproject.errors import VgprojectError
from vgproject.schema.events import FileChange

Files = dict[str, bytes]


def listed(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def update(*lines: str, path: str = "f") -> str:
    return listed(f"*** Update File: {path}", *lines)


def diff(*lines: str, old: str = "a/f", new: str = "b/f") -> str:
    return "\n".join([f"--- {old}", f"+++ {new}", *lines, ""])


def header(*lines: str, old: str = "a/f", new: str = "b/f") -> str:
    return "\n".join([f"diff --git {old} {new}", *lines, ""])


NUMBERS = "".join(f"{number}\n" for number in range(1, 21)).encode()
TWICE = b"def one():\n    x\n    return 1\n\ndef two():\n    x\n    return 1\n"

PATCHES: dict[str, tuple[Files, str, Files]] = {
    "one line": ({"f": b"a\nb\nc\n"}, update("@@", " a", "-b", "+B", " c"), {"f": b"a\nB\nc\n"}),
    "no @@ at all": ({"f": b"a\nb\n"}, update(" a", "-b", "+B"), {"f": b"a\nB\n"}),
    "a line feed after the end": ({"f": b"a\n"}, update("-a", "+b") + "\n\n", {"f": b"b\n"}),
    "a diff": ({"f": b"a\nb\nc\n"}, diff("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"), {"f": b"a\nB\nc\n"}),
    "a diff without prefixes": ({"f": b"a\n"}, diff("@@ -1 +1 @@", "-a", "+b", old="f", new="f"), {"f": b"b\n"}),
    "a diff with times": (
        {"f": b"a\n"},
        diff("@@ -1 +1 @@", "-a", "+b", old="a/f\t2024-01-01 00:00:00", new="b/f\t2024-01-02"),
        {"f": b"b\n"},
    ),
    "wrong line numbers": (
        {"f": NUMBERS},
        diff("@@ -2,3 +2,3 @@", " 11", "-12", "+twelve", " 13"),
        {"f": NUMBERS.replace(b"12\n", b"twelve\n")},
    ),
    "wrong counts": (
        {"f": NUMBERS},
        diff("@@ -1,9 +1,1 @@", " 1", "-2", "+two", "@@ -4,1 +4,7 @@", " 4", "+new"),
        {"f": NUMBERS.replace(b"1\n2\n", b"1\ntwo\n", 1).replace(b"4\n", b"4\nnew\n", 1)},
    ),
    "counts that end too early": (
        {"f": b"a\nb\nc\n"},
        diff("@@ -1,2 +1,2 @@", " a", "-b", "+B", " c", "+d"),
        {"f": b"a\nB\nc\nd\n"},
    ),
    "no line numbers": ({"f": b"a\nb\n"}, diff("@@ ... @@", " a", "-b", "+B"), {"f": b"a\nB\n"}),
    "the line number chooses": (
        {"f": b"x\na\nx\na\nx\na\n"},
        diff("@@ -3,2 +3,2 @@", " x", "-a", "+b"),
        {"f": b"x\na\nx\nb\nx\na\n"},
    ),
    "all hunks are as much further down as the first": (
        {"f": b"new\nnew\nfirst\nx\na\nx\na\nx\na\n"},
        diff("@@ -1,1 +1,1 @@", "-first", "+FIRST", "@@ -4,2 +4,2 @@", " x", "-a", "+b"),
        {"f": b"new\nnew\nFIRST\nx\na\nx\nb\nx\na\n"},
    ),
    "the hunk before chooses": (
        {"f": b"x\na\ny\nx\na\n"},
        update("@@", " y", "+z", "@@", " x", "-a", "+b"),
        {"f": b"x\na\ny\nz\nx\nb\n"},
    ),
    "a line above chooses": (
        {"f": TWICE},
        update("@@ def two():", "     x", "-    return 1", "+    return 2"),
        {"f": TWICE[:-2] + b"2\n"},
    ),
    "lines above choose": (
        {"f": b"class A:\n  def f():\n    1\nclass B:\n  def f():\n    1\n"},
        update("@@ class B:", "@@   def f():", "-    1", "+    2"),
        {"f": b"class A:\n  def f():\n    1\nclass B:\n  def f():\n    2\n"},
    ),
    "a removed line like a header": (
        {"f": b"a\n-- x\n++ y\nb\n"},
        header("--- a/f", "+++ b/f", "@@ -1,4 +1,4 @@", " a", "--- x", "+++ z", " ++ y", " b"),
        {"f": b"a\n++ z\n++ y\nb\n"},
    ),
    "a blank line without its space": ({"f": b"a\n\nb\n"}, update(" a", "", "-b", "+c"), {"f": b"a\n\nc\n"}),
    "CRLF stays": ({"f": b"a\r\nb\r\n"}, update(" a", "-b", "+c", "+d"), {"f": b"a\r\nc\r\nd\r\n"}),
    "CRLF of the patch alone": ({"f": b"a\nb\n"}, update(" a", "-b", "+c").replace("\n", "\r\n"), {"f": b"a\nc\n"}),
    "CRLF of a diff": ({"f": b"a\r\nb\r\n"}, diff("@@ -1,2 +1,2 @@", " a\r", "-b\r", "+c\r"), {"f": b"a\r\nc\r\n"}),
    "a diff that changes line ends": ({"f": b"a\r\nb\r\n"}, diff("@@ -2 +2 @@", "-b\r", "+b"), {"f": b"a\r\nb\n"}),
    "mixed ends stay outside": (
        {"f": b"a\r\nb\nc\r\nd\n"},
        update(" a", " b", "-c", "+x"),
        {"f": b"a\r\nb\nx\nd\n"},
    ),
    "old Mac": ({"f": b"a\rb\rc"}, update(" a", "-b", "+x", "+y"), {"f": b"a\rx\ry\rc"}),
    "BOM stays": ({"f": b"\xef\xbb\xbfa\nb\n"}, update("-a", "+x", " b"), {"f": b"\xef\xbb\xbfx\nb\n"}),
    "BOM stays before a line that goes": (
        {"f": b"\xef\xbb\xbfa\r\nb\r\n"},
        update("-a", " b"),
        {"f": b"\xef\xbb\xbfb\r\n"},
    ),
    "BOM that goes by a diff": ({"f": b"\xef\xbb\xbfa\n"}, diff("@@ -1 +1 @@", "-\ufeffa", "+a"), {"f": b"a\n"}),
    "BOM that comes by a diff": ({"f": b"a\n"}, diff("@@ -1 +1 @@", "-a", "+\ufeffa"), {"f": b"\xef\xbb\xbfa\n"}),
    "UTF-16 stays": (
        {"f": "\ufeffä\r\nb\r\n".encode("utf-16-le")},
        update("-ä", "+ö", " b"),
        {"f": "\ufeffö\r\nb\r\n".encode("utf-16-le")},
    ),
    "Latin-1 stays": ({"f": b"caf\xe9\nb\n"}, update("-café", "+thé", " b"), {"f": b"th\xe9\nb\n"}),
    "no line end at the end stays": ({"f": b"a\nb"}, update(" a", "-b", "+c"), {"f": b"a\nc"}),
    "a line after the one without a line end": ({"f": b"a\r\nb"}, update(" b", "+c"), {"f": b"a\r\nb\r\nc"}),
    "the last line end goes": (
        {"f": b"a\nb\n"},
        diff("@@ -1,2 +1,2 @@", " a", "-b", "+b", "\\ No newline at end of file"),
        {"f": b"a\nb"},
    ),
    "a last line end comes": (
        {"f": b"a\nb"},
        diff("@@ -1,2 +1,2 @@", " a", "-b", "\\ No newline at end of file", "+b"),
        {"f": b"a\nb\n"},
    ),
    "the place without a last line end is the last": (
        {"f": b"a\nb\na"},
        diff("@@ -9 +9 @@", "-a", "\\ No newline at end of file", "+c", "\\ No newline at end of file"),
        {"f": b"a\nb\nc"},
    ),
    "the end of the file chooses": (
        {"f": b"a\nb\na\n"},
        update("-a", "+c", "*** End of File", "", ""),
        {"f": b"a\nb\nc\n"},
    ),
    "added to the end": ({"f": b"a\r\nb"}, update("+c", "*** End of File"), {"f": b"a\r\nb\r\nc"}),
    "into an empty file": ({"f": b""}, update("+a"), {"f": b"a\n"}),
    "trailing white space": (
        {"f": b"a  \nb\t\nc\n"},
        update(" a", "-b", "+B ", " c"),
        {"f": b"a  \nB \nc\n"},
    ),
    "indent missing": (
        {"f": b"if x:\n    if y:\n        z\n\n    w\n"},
        update(" if y:", "-    z", "+    u", "+", "+    v", " "),
        {"f": b"if x:\n    if y:\n        u\n\n        v\n\n    w\n"},
    ),
    "indent too deep": ({"f": b"a\nb\n"}, update("   a", "-  b", "+  c"), {"f": b"a\nc\n"}),
    "exact before trailing space": ({"f": b"a \nx\na\n"}, update("-a", "+b"), {"f": b"a \nx\nb\n"}),
    "a new file": ({}, listed("*** Add File: d/e/f", "+a", "+", "+b"), {"d/e/f": b"a\n\nb\n"}),
    "an empty new file": ({}, listed("*** Add File: f"), {"f": b""}),
    "a new file by a diff": (
        {},
        diff("@@ -0,0 +1,2 @@", "+a\r", "+b", "\\ No newline at end of file", old="/dev/null"),
        {"f": b"a\r\nb"},
    ),
    "an empty new file by a diff": ({}, header("new file mode 100644", "index 0000000..e69de29"), {"f": b""}),
    "deleted": ({"f": b"\0binary", "g": b"g"}, listed("*** Delete File: f"), {"g": b"g"}),
    "deleted by a diff": (
        {"f": b"a\r\nb"},
        diff("@@ -1,2 +0,0 @@", "-a", "-b", new="/dev/null"),
        {},
    ),
    "an empty file deleted by a diff": ({"f": b""}, header("deleted file mode 100644", "index e69de29..0000000"), {}),
    "moved": ({"f": b"\0binary"}, update("*** Move to: d/g"), {"d/g": b"\0binary"}),
    "moved and changed": ({"f": b"a\nb\n"}, update("*** Move to: g", " a", "-b", "+c"), {"g": b"a\nc\n"}),
    "renamed": (
        {"d/f": b"\0binary"},
        header("similarity index 100%", "rename from d/f", "rename to g h", old="a/d/f", new="b/g h"),
        {"g h": b"\0binary"},
    ),
    "copied": (
        {"f": b"a\n"},
        header("copy from f", "copy to g", "--- a/f", "+++ b/g", "@@ -1 +1 @@", "-a", "+b", new="b/g")
        + diff("@@ -1 +1 @@", "-a", "+c"),
        {"f": b"c\n", "g": b"b\n"},
    ),
    "two files change places": (
        {"f": b"f", "g": b"g"},
        header("rename from f", "rename to g", new="b/g") + header("rename from g", "rename to f", old="a/g"),
        {"f": b"g", "g": b"f"},
    ),
    "a file in the place of a directory": (
        {"d/x/y": b"y", "z": b"z"},
        listed("*** Add File: d", "+new", "*** Delete File: d/x/y"),
        {"d": b"new\n", "z": b"z"},
    ),
    "a directory in the place of a file": (
        {"d": b"d"},
        listed("*** Add File: d/x/y", "+new", "*** Update File: d", "*** Move to: d/z"),
        {"d/x/y": b"new\n", "d/z": b"d"},
    ),
    "deleted and made anew": ({"f": b"a"}, listed("*** Delete File: f", "*** Add File: f", "+b"), {"f": b"b\n"}),
    "one file twice": (
        {"f": b"a\nb\n"},
        update("-a", "+x", "*** Update File: ./f", " x", "-b", "+y"),
        {"f": b"x\ny\n"},
    ),
    "a quoted name": (
        {'ä\t"': b"a\n"},
        diff("@@ -1 +1 @@", "-a", "+b", old='"a/\\303\\244\\t\\""', new='"b/\\303\\244\\t\\""'),
        {'ä\t"': b"b\n"},
    ),
    "a mail around it": (
        {"f": b"a\n", "g": b"g\n"},
        "From 0123 Mon Sep 17\nSubject: x\n\n f | 2 +-\n\n"
        + header("index 1..2 100644", "--- a/f", "+++ b/f", "@@ -1 +1 @@", "-a", "+b", "-- ", "2.39")
        + header("--- a/g", "+++ b/g", "@@ -1 +1 @@", "-g", "+h", "-- ", "2.39", old="a/g", new="b/g"),
        {"f": b"b\n", "g": b"h\n"},
    ),
}

REFUSALS: dict[str, tuple[Files, str, str, str]] = {
    "not there": (
        {"f": b"alpha\nbeta\ngamma\n"},
        update(" alpha", " beta", "-gamme", "+x"),
        "not_found",
        "f, hunk 1 (line 3 of the patch): 'alpha\\nbeta\\ngamme\\n' is not there. It begins as at line 1, but then, at"
        " line 3, the file has 'gamma', not 'gamme'.",
    ),
    "nothing like it": ({"f": b"alpha\n"}, update("-alhpa", "+x"), "not_found", "The closest lines are 1: 'alpha'."),
    "twice": (
        {"f": TWICE},
        update("     x", "-    return 1", "+    return 2"),
        "ambiguous",
        "stands 2 times, at lines 2, 6",
    ),
    "twice, and the line number is of neither": (
        {"f": TWICE},
        diff("@@ -3,2 +3,2 @@", "     x", "-    return 1", "+    return 2"),
        "ambiguous",
        "at lines 2, 6",
    ),
    "the line above is not there": ({"f": TWICE}, update("@@ def tow():", "-    x"), "not_found", "5: 'def two():'"),
    "only above the line above": ({"f": TWICE}, update("@@ def two():", "-def one():"), "not_found", "at line 1."),
    "the line above does not choose": ({"f": b"f\na\nf\na\n"}, update("@@ f", "-a"), "ambiguous", "lines 2, 4"),
    "not in order": ({"f": NUMBERS}, update("-9", "@@", "-3"), "not_found", "in the order of the file"),
    "above, and below only but for white space": (
        {"f": b"a\nb\na \n"},
        update("-b", "@@", "-a"),
        "not_found",
        "'a\\n' stands at line 1, which is not after the hunk before",
    ),
    "too much is wrong": (
        {"f": b"x\n"},
        update(*("@@ ", "-y") * 9),
        "not_found",
        "hunk 5 (line 11 of the patch): 'y\\n' is not there. No line is like it.\nNothing was changed; there may be more",
    ),
    "one line for two hunks": ({"f": b"a\n"}, update("-a", "@@", "-a"), "not_found", "each line once"),
    "not at the end": ({"f": b"a\nb\n"}, update("-a", "*** End of File"), "not_found", "not at the end of the file"),
    "no end of line in the middle": (
        {"f": b"a\nb\n"},
        diff("@@ -1 +1 @@", "-a", "+c", "\\ No newline at end of file"),
        "not_found",
        "not at the end",
    ),
    "nothing around": ({"f": b"a\n"}, diff("@@ -1,0 +2 @@", "+b"), "no_context", "only adds lines"),
    "indent not constant": ({"f": b"  a\n   b\n"}, update(" a", "-b"), "not_found", "'a\\nb\\n' is not there"),
    "an em dash is no hyphen": ({"f": "a – b\n".encode()}, update("-a - b"), "not_found", "is not there"),
    "the second file": (
        {"f": b"a\n", "g": b"g\n"},
        update("-a", "+b", "*** Update File: g", "-x"),
        "not_found",
        "g, hunk 1",
    ),
    "all that is wrong is named": (
        {"f": b"a\n", "g": b"g\n"},
        update("-x", "*** Update File: g", "-y", "*** Update File: h", "-z"),
        "not_found",
        "g, hunk 1 (line 5 of the patch): 'y\\n' is not there. No line is like it.\nThere is no file 'h'",
    ),
    "no such file": ({}, update("-a"), "no_such_file", "'f'"),
    "a directory": ({"f/x": b"x"}, update("-a"), "no_such_file", "'f'"),
    "new, but there": ({"f": b"a"}, listed("*** Add File: f", "+b"), "exists", "'f'"),
    "new, but a directory": ({"f/x": b"x"}, listed("*** Add File: f", "+b"), "is_directory", "'f'"),
    "new below a file": ({"f": b"a"}, listed("*** Add File: f/x", "+b"), "not_a_directory", "'f/x'"),
    "new twice": ({}, listed("*** Add File: f", "+a", "*** Add File: ./f", "+b"), "exists", "twice"),
    "moved onto a file": ({"f": b"a", "g": b"g"}, update("*** Move to: g"), "exists", "'g'"),
    "deleted and changed": (
        {"f": b"a\n"},
        listed("*** Delete File: f", "*** Update File: f", "-a"),
        "no_such_file",
        "f",
    ),
    "deleted, but there is more": (
        {"f": b"a\nb\n"},
        diff("@@ -1 +0,0 @@", "-a", new="/dev/null"),
        "not_found",
        "more than the patch removes",
    ),
    "deleted, but not empty": ({"f": b"a\n"}, header("deleted file mode 100644"), "not_found", "more than"),
    "binary": ({"f": b"\0\1"}, update("-a"), "binary", "2 bytes"),
    "a binary diff": ({"f": b"a"}, header("Binary files a/f and b/f differ"), "bad_patch", "binary"),
    "a link": (
        {},
        header("new file mode 120000", "--- /dev/null", "+++ b/f", "@@ -0,0 +1 @@", "+x"),
        "bad_patch",
        "link",
    ),
    "no place in the encoding": ({"f": b"caf\xe9\n"}, update("-café", "+€"), "encoding", "latin-1"),
    "outside": ({}, listed("*** Add File: ../f", "+a"), "outside_workspace", "'../f'"),
    "outside by a diff": ({}, diff("@@ -0,0 +1 @@", "+a", old="/dev/null", new="/etc/f"), "outside_workspace", "/etc"),
    "in .git": ({"f": b"a"}, update("*** Move to: .git/hooks/post-checkout"), "outside_workspace", ".git"),
    "nothing changes": ({"f": b"a\n"}, update("@@", " a"), "no_change", "as it is"),
    "not a patch": ({}, "Hello", "bad_patch", "*** Begin Patch"),
    "cut off": ({"f": b"a\n"}, update("-a", "+b").removesuffix("*** End Patch"), "bad_patch", "Line 4 of the patch"),
    "a line without a sign": ({"f": b"a\nb\n"}, update(" a", "b"), "bad_patch", "Line 4 of the patch is 'b'"),
    "a line without a sign in a diff": ({"f": b"a\nb\n"}, diff("@@ -1 +1 @@", "-a", "b", "+c"), "bad_patch", "Line 5"),
    "an update of nothing": ({"f": b"a"}, update(), "bad_patch", "Line 2"),
    "an unknown part": ({"f": b"a"}, listed("*** Rename File: f"), "bad_patch", "Line 2"),
    "a hunk of no file": ({"f": b"a"}, "@@ -1 +1 @@\n-a\n+b\n", "bad_patch", "Line 1"),
    "no hunk": ({"f": b"a"}, diff("-a", "+b"), "bad_patch", "Line 3"),
    "two names": ({"f": b"a\n"}, diff("@@ -1 +1 @@", "-a", "+b", new="b/g"), "bad_patch", "rename from"),
    "context in a new file": ({}, listed("*** Add File: f", " a"), "bad_patch", "'+'"),
}


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return Hands(tmp_path / "session")


@pytest.mark.parametrize("case", PATCHES)
async def test_a_patch_makes_exactly_what_it_means(hands: Hands, case: str) -> None:
    before, patch, after = PATCHES[case]
    write_files(hands.root, before)
    result = await hands.call("apply_patch", patch=patch)
    assert hands.files() == after
    assert await hands.find_done("apply_patch", patch=patch) == result
    assert {change.path for change in result.changes} == {
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    }
    assert [path for path in hands.root.rglob("*") if path.is_dir() and not any(path.iterdir())] == []


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_patch_that_cannot_be_applied_says_why_and_changes_nothing(hands: Hands, case: str) -> None:
    before, patch, code, words = REFUSALS[case]
    write_files(hands.root, before)
    with pytest.raises(VgprojectError) as caught:
        await hands.call("apply_patch", patch=patch)
    assert words in caught.value.message
    assert caught.value.code == code
    assert hands.files() == before


async def test_the_answer_says_what_was_done_and_which_hunks_were_found_elsewhere(hands: Hands) -> None:
    write_files(hands.root, {"f": NUMBERS, "g": b"a \nb\n", "h": b"h\n"})
    patch = diff("@@ -2,2 +2,2 @@", " 11", "-12", "+x", "@@ -4,2 +4,2 @@", " 13", "-14", "+y")
    patch += diff("@@ -1,2 +1,2 @@", " a", "-b", "+c", old="a/g", new="b/g")
    patch += header("rename from h", "rename to i")
    result = await hands.call("apply_patch", patch=patch)
    assert result.text == (
        "Changed f.\nChanged g.\nDeleted h.\nAdded i.\nf: hunk 1 was found at line 11.\n"
        "g: hunk 1 differed in trailing white space."
    )
    assert result.changes == [
        FileChange(path="f", change="modified", additions=2, deletions=2),
        FileChange(path="g", change="modified", additions=1, deletions=1),
        FileChange(path="h", change="deleted", deletions=1),
        FileChange(path="i", change="added", additions=1),
    ]


async def test_a_patch_keeps_and_sets_modes(hands: Hands) -> None:
    write_files(hands.root, dict.fromkeys(("kept", "moved", "on", "off"), b"a\n"))
    for name, mode in {"kept": 0o751, "moved": 0o750, "on": 0o640, "off": 0o755}.items():
        (hands.root / name).chmod(mode)
    patch = diff("@@ -1 +1 @@", "-a", "+b", old="a/kept", new="b/kept")
    patch += header("rename from moved", "rename to there")
    patch += header("old mode 100644", "new mode 100755", old="a/on", new="b/on")
    patch += header("old mode 100755", "new mode 100644", old="a/off", new="b/off")
    patch += header("new file mode 100755", old="a/new", new="b/new")
    result = await hands.call("apply_patch", patch=patch)
    modes = {path.name: path.stat().st_mode & 0o777 for path in hands.root.iterdir()}
    assert modes == {"kept": 0o751, "there": 0o750, "on": 0o750, "off": 0o644, "new": 0o755}
    assert {change.path for change in result.changes} == {"kept", "moved", "there", "on", "off", "new"}


async def test_a_patch_of_a_file_that_changed_since_it_was_read_changes_no_file(hands: Hands) -> None:
    write_files(hands.root, {"f": b"a\n", "g": b"a\n"})
    await hands.call("read_file", path="g")
    (hands.root / "g").write_bytes(b"a\nb\n")
    for part in (("-a", "+x"), ("*** Move to: h",)):
        patch = update("-a", "+x", "*** Update File: g", *part)
        with pytest.raises(VgprojectError, match="read it again") as caught:
            await hands.call("apply_patch", patch=patch)
        assert caught.value.code == "changed"
    assert hands.files() == {"f": b"a\n", "g": b"a\nb\n"}
    await hands.call("read_file", path="g")
    await hands.call("apply_patch", patch=update("-a", "+x", "*** Update File: g", "-a", "+x"))
    await hands.call("apply_patch", patch=update("-x", "+y", "*** Delete File: g"))
    assert hands.files() == {"f": b"y\n"}


async def test_a_patch_follows_links_in_the_workspace_and_none_out_of_it(hands: Hands, tmp_path: Path) -> None:
    write_files(hands.root, {"d/f": b"a\n"})
    write_files(tmp_path, {"outside": b"a\n"})
    (hands.root / "link").symlink_to("d/f")
    (hands.root / "dir").symlink_to("d")
    (hands.root / "out").symlink_to(tmp_path)
    await hands.call("apply_patch", patch=update("-a", "+b", "*** Add File: dir/g", "+g", path="link"))
    assert (hands.root / "link").is_symlink()
    assert (hands.root / "d/f").read_bytes() == b"b\n"
    assert (hands.root / "d/g").read_bytes() == b"g\n"
    for patch in (listed("*** Delete File: link"), update("*** Move to: x", path="link")):
        with pytest.raises(VgprojectError, match="symbolic link to 'd/f'"):
            await hands.call("apply_patch", patch=patch)
    for patch in (update("-a", "+b", path="out/outside"), listed("*** Add File: out/new", "+a")):
        with pytest.raises(VgprojectError) as caught:
            await hands.call("apply_patch", patch=patch)
        assert caught.value.code == "outside_workspace"
    assert (tmp_path / "outside").read_bytes() == b"a\n"
    assert not (tmp_path / "new").exists()


async def test_files_that_are_too_large_are_not_patched(hands: Hands) -> None:
    megabytes = 2**20
    write_files(hands.root, {f"f{number}": b"x\n" * (5 * megabytes) for number in range(6)})
    (hands.root / "large").write_bytes(b"x" * (10 * megabytes + 1))
    moves = [line for number in range(6) for line in (f"*** Update File: f{number}", f"*** Move to: g{number}")]
    for patch in (update("*** Move to: g", path="large"), listed(*moves)):
        with pytest.raises(VgprojectError) as caught:
            await hands.call("apply_patch", patch=patch)
        assert caught.value.code == "too_large"
    assert not list(hands.root.glob("g*"))


async def test_a_checkpoint_after_a_patch_has_what_it_made(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "project", {"d/x": b"x\n", "e": b"e\n", "f": b"f\n"})
    workspace = await create_workspace(tmp_path / "home", project)
    hands = Hands(tmp_path / "session")
    hands.workspace = workspace
    patch = listed("*** Delete File: d/x", "*** Add File: d", "+d", "*** Update File: e", "*** Move to: e/f")
    result = await hands.call("apply_patch", patch=patch + "\n")
    before = snapshot(workspace.root)
    made = await workspace.checkpoint("patch", [change.path for change in result.changes])
    (workspace.root / "d").unlink()
    write_files(workspace.root, {"d/y": b"other"})
    await workspace.rewind(made.id)
    assert snapshot(workspace.root) == before
    await workspace.rewind(workspace.origin.base)
    assert snapshot(workspace.root) == snapshot(project)


# Any two trees, and what git says is between them.

LINES = st.sampled_from(
    ["a\n", "b\n", "\n", " a\n", "a \n", "a\r\n", "\r\n", "-- a\n", "++ b\n", "@@ -1 +1 @@\n", "é\n"]
)
ENDS = st.sampled_from(["", "", "x", "\r", "a"])
MARKS = st.sampled_from(["", "", "", "\ufeff"])
CONTENT = st.builds(
    lambda mark, lines, end: (mark + "".join(lines) + end).encode(), MARKS, st.lists(LINES, max_size=25), ENDS
)
NAMES = st.sampled_from(["f", "d", "d/f", "d/e", "d/e/f", "g h", "é", "-x", "b/f", 'q"\t'])


def without_conflicts(files: Files) -> Files:
    return {
        path: content for path, content in files.items() if not any(other.startswith(f"{path}/") for other in files)
    }


TREES = st.dictionaries(NAMES, CONTENT, max_size=6).map(without_conflicts)


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Files, Files]:
    """Two trees that have much in common: files moved, edited, as they were."""
    first = draw(TREES)
    second = draw(TREES)
    for path, content in first.items():
        lines = content.splitlines(keepends=True)
        at = draw(st.integers(0, len(lines)))
        edited = b"".join([*lines[:at], *draw(st.lists(LINES.map(str.encode), max_size=2)), *lines[at + 1 :]])
        second[draw(st.one_of(st.just(path), NAMES))] = draw(st.sampled_from([content, edited]))
    return first, without_conflicts(second)


def git_diff(directory: Path, first: Files, second: Files, context: int, modes: tuple[bool, bool]) -> str:
    trees = []
    git(directory, "init", "-q")
    for files, executable in zip((first, second), modes, strict=True):
        git(directory, "read-tree", "--empty")
        for entry in directory.iterdir():
            if entry.name != ".git":
                subprocess.run(["rm", "-r", entry], check=True)
        write_files(directory, files)
        for path in files:
            (directory / path).chmod(0o755 if executable else 0o644)
        git(directory, "add", "-A", "-f")
        trees.append(git(directory, "write-tree").strip())
    words = ["diff-tree", "-r", "-p", "-M", "-C", "--find-copies-harder", "-l0", f"-U{context}", *trees]
    done = subprocess.run(["git", "-c", "core.autocrlf=false", *words], cwd=directory, check=True, capture_output=True)
    return done.stdout.decode()


@given(trees=neighbours(), context=st.integers(1, 5), modes=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_what_git_says_is_between_two_trees_makes_the_second_of_the_first(
    trees: tuple[Files, Files], context: int, modes: tuple[bool, bool]
) -> None:
    first, second = trees
    with TemporaryDirectory() as place:
        (Path(place) / "git").mkdir()
        patch = git_diff(Path(place) / "git", first, second, context, modes)
        hands = Hands(Path(place) / "session")
        write_files(hands.root, first)
        for path in first:
            (hands.root / path).chmod(0o755 if modes[0] else 0o644)
        if not patch:
            assert first == second
            return
        await hands.call("apply_patch", patch=patch)
        assert snapshot(hands.root) == snapshot(Path(place) / "git")


@given(trees=neighbours(), context=st.integers(1, 3), shift=st.one_of(st.none(), st.integers(0, 30)))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_without_right_line_numbers_a_diff_makes_the_same_or_is_refused(
    trees: tuple[Files, Files], context: int, shift: int | None
) -> None:
    first, second = trees
    with TemporaryDirectory() as place:
        (Path(place) / "git").mkdir()
        patch = git_diff(Path(place) / "git", first, second, context, (False, False))
        header = "@@" if shift is None else f"@@ -{10_000 + shift} +{shift} @@"
        patch = re.sub(r"^@@ -[1-9].* @@", header, patch, flags=re.MULTILINE)
        hands = Hands(Path(place) / "session")
        write_files(hands.root, first)
        try:
            await hands.call("apply_patch", patch=patch or "x")
        except VgprojectError:
            assert hands.files() == first
        else:
            assert hands.files() == second


# Patches that are right, nearly right and wrong: applied whole, or not at all.

PIECES = ["f", "d/f", "a", "b", " ", "-a", "+b", " a", "\n", "@@", "@@ -1 +1 @@", "*** Update File: f", "*** End Patch"]


@given(
    first=TREES,
    pieces=st.lists(
        st.sampled_from(
            [
                "*** Update File: f\n-a\n+x\n",
                "*** Update File: d/f\n@@ a\n b\n+x\n",
                "*** Update File: d\n-\n",
                "*** Delete File: f\n",
                "*** Delete File: d/e\n",
                "*** Add File: d\n+x\n",
                "*** Add File: d/e/f\n+x\n",
                "*** Add File: ../x\n+x\n",
                "*** Update File: f\n*** Move to: d/f\n",
                "*** Update File: d/f\n*** Move to: d/f/f\n+x\n",
                "*** Update File: d/e\n*** Move to: d\n",
            ]
        ),
        min_size=1,
        max_size=4,
    ),
    cut=st.one_of(st.none(), st.tuples(st.integers(0, 120), st.sampled_from(["", *string.printable[-8:], *PIECES]))),
    late=st.booleans(),
)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
async def test_a_patch_that_fails_changes_no_byte_of_any_file(
    first: Files, pieces: list[str], cut: tuple[int, str] | None, late: bool
) -> None:
    patch = f"*** Begin Patch\n{''.join(pieces)}*** End Patch\n"
    if cut:
        patch = patch[: cut[0]] + cut[1] + patch[cut[0] + 1 :]
    with TemporaryDirectory() as place:
        hands = Hands(Path(place) / "session")
        write_files(hands.root, first)
        if late and not {"d", "d/e"} & first.keys():  # Seen only when it is written there.
            (hands.root / "d" / "e").mkdir(parents=True, exist_ok=True)
        before, directories = snapshot(hands.root), sorted(hands.root.rglob("*"))
        try:
            await hands.call("apply_patch", patch=patch)
        except VgprojectError:
            assert snapshot(hands.root) == before
            assert sorted(hands.root.rglob("*")) == directories
            assert await hands.find_done("apply_patch", patch=patch or "x") is None
        else:
            assert snapshot(hands.root) != before
        assert os.listdir(place) == ["session"]  # noqa: PTH208  (of all that it did outside)
