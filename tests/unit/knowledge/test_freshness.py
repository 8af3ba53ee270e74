"""Entries compared with the files that they are about."""

from pathlib import Path
from typing import Any

import pytest

from vgproject.knowledge.freshness import Freshness, check_freshness, digest_of_lines
from vgproject.schema.events import RecalledEntry
from vgproject.schema.memory import Place
from vgproject.utils.secrets import SecretMask
from vgproject.workspace.file_tree import FileTree
from vgproject.workspace.text_reader import TextReader

LINES = ["def add(a, b):", "    return a + b"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside.py").write_text("\n".join(LINES))
    root = tmp_path / "files"
    root.mkdir()
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    return root


def check(root: Path, **fields: Any) -> Freshness:
    values = {"memory_id": "mem_1", "kind": "key_snippet", "content": "\n".join(LINES), "reason": "It fits."}
    entry = RecalledEntry.model_validate(values | fields)
    return check_freshness(entry, TextReader(FileTree(root), SecretMask().mask))


def place(**fields: Any) -> Place:
    values = {"path": "calc.py", "start_line": 2, "end_line": 3, "sha256": digest_of_lines(LINES)}
    return Place.model_validate(values | fields)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_text_that_stands_where_it_was_is_fine(root: Path, line_end: str) -> None:
    (root / "calc.py").write_bytes(line_end.join(["# calc", *LINES, "x", ""]).encode())
    assert check(root, place=place()) == Freshness(place())


def test_text_that_has_moved_is_told_with_its_lines(root: Path) -> None:
    (root / "calc.py").write_text("\n".join(["# calc", "", "import x", *LINES, "", *LINES]))
    found = check(root, place=place())
    assert found == Freshness(place(start_line=4, end_line=5), told="It stands at lines 4 to 5 of 'calc.py' now."), (
        "the nearest of two"
    )


def test_text_that_is_gone_is_stale(root: Path) -> None:
    (root / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    assert check(root, place=place()).stale
    assert check(root, kind="key_fact", content="It adds.", place=place()).stale, "a fact about lines, too"


def test_a_snippet_without_a_digest_is_compared_by_its_text(root: Path) -> None:
    (root / "calc.py").write_text("\n".join(["# calc", *LINES]))
    bare = Place(path="calc.py")
    assert check(root, place=bare) == Freshness(
        Place(path="calc.py", start_line=2, end_line=3), told="It stands at lines 2 to 3 of 'calc.py' now."
    )
    assert check(root, place=bare, content="gone()").stale
    assert check(root, kind="key_fact", content="It adds.", place=bare) == Freshness(bare), "about the file as a whole"


@pytest.mark.parametrize("path", ["gone.py", "../outside.py", "/etc/passwd", "link.py", ".git/config"])
def test_a_file_that_is_not_in_the_workspace_is_gone(root: Path, path: str) -> None:
    assert check(root, place=place(path=path)).stale
    assert check(root, kind="related_file", content=path).stale


def test_related_files_and_directories_that_are_there_are_fine(root: Path) -> None:
    (root / "src").mkdir()
    (root / "logo.png").write_bytes(b"\x89PNG\0")
    for path in ("src", "src/", "logo.png"):
        assert check(root, kind="related_file", content=path) == Freshness()
    assert check(root, kind="related_file", content="the old parser, wherever it is") == Freshness(), "no path"
