"""A memory as files and back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ra_aid_database import write_sample
from vgproject.errors import BadInputError
from vgproject.knowledge.notes import Note
from vgproject.knowledge.transfer import read_notes, write_json, write_markdown
from vgproject.schema.memory import MEMORY_KINDS, MemoryEntry, MemoryOrigin, Place

TIME = "2026-11-24T08:00:00.000Z"


def entry(content: str, **fields: object) -> MemoryEntry:
    values = {"memory_id": "mem_1", "project": "/p", "kind": "key_fact", "version": 2, "created_at": TIME}
    return MemoryEntry.model_validate(
        {**values, "updated_at": TIME, "origin": MemoryOrigin(actor="ann"), "content": content, **fields}
    )


def plain(note: Note) -> Note:
    return note.model_copy(update={"imported_from": None})


def note_of(entry: MemoryEntry) -> Note:
    return Note.model_validate(
        {
            **entry.model_dump(include={"kind", "content", "tags", "confidence", "source", "place"}),
            "noted_at": entry.created_at,
        }
    )


ENTRIES = [
    entry("Tests run with pytest.", tags=["tests", "ci/fast"], confidence="certain"),
    entry(
        "---\nkind: decision\n---\r\n", memory_id="mem_2", kind="key_snippet", place=Place(path="a b/ä.py", end_line=3)
    ),
    entry('Looks like `- "yaml": {no}`  ', memory_id="mem_3", kind="research_note", source="web"),
]


def test_markdown_comes_back_and_a_second_export_touches_only_what_changed(tmp_path: Path) -> None:
    write_markdown(tmp_path, ENTRIES)
    (tmp_path / "README.md").write_text("What we know.\n")
    assert sorted(map(repr, map(plain, read_notes(tmp_path)))) == sorted(map(repr, map(note_of, ENTRIES)))
    assert write_markdown(tmp_path, ENTRIES) == []

    changed = [ENTRIES[0].model_copy(update={"content": "Tests run with tox."}), *ENTRIES[1:2]]
    touched = {path.relative_to(tmp_path).as_posix() for path in write_markdown(tmp_path, changed)}
    assert touched == {
        "key_facts/tests-run-with-pytest--mem_1.md",
        "key_facts/tests-run-with-tox--mem_1.md",
        "research_notes/looks-like-yaml-no--mem_3.md",
    }
    assert len(read_notes(tmp_path)) == 2


@given(content=st.text(min_size=1, max_size=300), kind=st.sampled_from(MEMORY_KINDS))
def test_any_text_comes_back_from_json_and_markdown(
    tmp_path_factory: pytest.TempPathFactory, content: str, kind: str
) -> None:
    directory = tmp_path_factory.mktemp("export")
    known = entry(content, kind=kind)
    write_json(directory / "memory.json", [known])
    write_markdown(directory / "files", [known])
    for path in (directory / "memory.json", directory / "files"):
        assert list(map(plain, read_notes(path))) == [note_of(known)]


def test_the_memory_of_ra_aid_is_found_in_its_directory(tmp_path: Path) -> None:
    (tmp_path / ".ra-aid").mkdir()
    write_sample(tmp_path / ".ra-aid" / "pk.db")
    notes = read_notes(tmp_path / ".ra-aid")
    assert [note.kind for note in notes] == ["key_fact", "key_snippet", "research_note", "work_log"]
    assert notes[1].place == Place(path="src/parser.py", start_line=12)
    assert (notes[0].imported_from or "").endswith("pk.db#key_fact/1")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"format": "other"}', "vgproject.memory/1"),
        ("a.json", '{"format": "vgproject.memory/1", "entries": [{"kind": "rumour", "content": "x"}]}', "#1: kind"),
        ("a.md", "no fields", "line 1"),
        ("a.md", "---\nkind: key_fact\ntags: [two words]\n---\n\nx\n", "tags"),
        ("a.md", "---\nkind: key_fact\ncreated_at: yesterday\n---\n\nx\n", "noted_at"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInputError, match=problem) as error:
        read_notes(tmp_path / name)
    assert error.value.code == "bad_import"
    assert name in error.value.message
