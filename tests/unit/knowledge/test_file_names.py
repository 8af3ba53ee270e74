"""Names of the files of an exported memory."""

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgproject.knowledge.file_names import file_name
from vgproject.schema.memory import MemoryKind


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("The tests run with pytest.", "the-tests-run-with-pytest--mem_abc.md"),
        ("../../etc/passwd", "etc-passwd--mem_abc.md"),
        (".git: a\\b\0c", "git-a-b-c--mem_abc.md"),
        ("CON", "con--mem_abc.md"),
        ("Größe & Café №5", "groe-cafe-no5--mem_abc.md"),
        ("日本語", "mem_abc.md"),
        ("", "mem_abc.md"),
        ("word " * 100, "word-" * 11 + "word--mem_abc.md"),
        ("x" * 500, "x" * 60 + "--mem_abc.md"),
    ],
)
def test_a_name_tells_the_content(content: str, name: str) -> None:
    assert file_name("key_fact", content, "mem_abc") == f"key_facts/{name}"


@given(st.sampled_from(get_args(MemoryKind)), st.text(), st.text() | st.just("mem_01jdg3"))
def test_a_name_is_safe_on_every_file_system(kind: MemoryKind, content: str, memory_id: str) -> None:
    directory, _, name = file_name(kind, content, memory_id).partition("/")
    assert directory == f"{kind}s"
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*--)?[a-z]+_[a-z0-9]+\.md", name)
    assert len(name) <= 140


@given(st.text(), st.text())
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (file_name("key_fact", "x", one) == file_name("key_fact", "x", other)) == (one == other)
