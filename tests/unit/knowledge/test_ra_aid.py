"""What is read of RA.Aid's database, in its versions and states."""

import hashlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ra_aid_database import FIRST, NOW, UPGRADED, RaAidDatabase, write_sample
from vgproject.errors import BadInputError
from vgproject.knowledge.ra_aid import MAX_CONTENT, ImportedNote, read_notes

ZONE = timezone(timedelta(hours=2))
MOMENT = datetime(2025, 4, 10, 7, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a project?" / ".ra-aid" / "pk.db"


def state(directory: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in directory.iterdir()}


def test_all_that_a_session_left_is_read(path: Path) -> None:
    write_sample(path)
    notes = [
        ImportedNote(
            kind="key_fact",
            content="The tests run with pytest.",
            path=None,
            start_line=None,
            tags=("ra-aid",),
            created_at=MOMENT,
            session="1",
            source_ref="key_fact/1",
        ),
        ImportedNote(
            kind="key_snippet",
            content="Where parsing begins.\n\ndef parse(text):\n    return text\n",
            path="src/parser.py",
            start_line=12,
            tags=("ra-aid",),
            created_at=MOMENT,
            session="1",
            source_ref="key_snippet/1",
        ),
        ImportedNote(
            kind="research_note",
            content="# Parser\n\nIt has no error handling.",
            path=None,
            start_line=None,
            tags=("ra-aid",),
            created_at=MOMENT,
            session="1",
            source_ref="research_note/1",
        ),
        ImportedNote(
            kind="work_log",
            content=(
                "Asked: Fix the parser.\n"
                "Tools: run_shell_command 2, read_file_tool 1, file_str_replace 1, task_completed 1\n"
                "Files changed: src/parser.py\n"
                "Files read or noted: README.md\n"
                "Outcome: The parser reports errors."
            ),
            path=None,
            start_line=None,
            tags=("ra-aid",),
            created_at=MOMENT,
            session="1",
            source_ref="session/1",
        ),
    ]
    assert read_notes(path, zone=ZONE) == notes


def test_reading_leaves_a_closed_database_and_its_directory_as_they_were(path: Path) -> None:
    write_sample(path)
    before = state(path.parent)
    assert list(before) == ["pk.db"]
    read_notes(path)
    assert state(path.parent) == before


def test_a_database_in_a_directory_without_write_permission_is_read(path: Path) -> None:
    write_sample(path)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert len(read_notes(path)) == 4
    finally:
        path.parent.chmod(0o755)


def test_what_only_the_wal_has_is_read_while_ra_aid_runs(path: Path) -> None:
    write_sample(path)
    with RaAidDatabase(path, "") as ra_aid:
        ra_aid.add("key_fact", content="Added a moment ago.")
        before = state(path.parent)
        assert "Added a moment ago." in [note.content for note in read_notes(path)]
        assert {name: before[name] for name in ("pk.db", "pk.db-wal")}.items() <= state(path.parent).items()
        ra_aid.add("key_fact", content="RA.Aid can go on writing.")
    assert "RA.Aid can go on writing." in [note.content for note in read_notes(path)]


def test_what_ra_aid_has_not_committed_is_not_read_and_does_not_block(path: Path) -> None:
    write_sample(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as ra_aid:
        ra_aid.execute("BEGIN IMMEDIATE")
        ra_aid.execute("DELETE FROM key_fact")
        assert read_notes(path)[0].kind == "key_fact"
        ra_aid.execute("ROLLBACK")


def test_a_version_without_sessions_is_read(path: Path) -> None:
    with RaAidDatabase(path, FIRST) as ra_aid:
        asked = ra_aid.add_input("Fix the parser.")
        ra_aid.add("key_fact", content="A fact.", human_input_id=asked)
        ra_aid.add("key_snippet", filepath="a.py", line_number=0, snippet="x = 1")
        ra_aid.add("research_note", content="A note.")
    notes = [(note.kind, note.content, note.path, note.start_line, note.session) for note in read_notes(path)]
    assert notes == [
        ("key_fact", "A fact.", None, None, None),
        ("key_snippet", "x = 1", "a.py", None, None),
        ("research_note", "A note.", None, None, None),
    ]


def test_a_database_whose_migrations_stopped_half_way_is_read(path: Path) -> None:
    with RaAidDatabase(path, UPGRADED) as ra_aid:
        asked = ra_aid.add_input("Fix the parser.", session_id=ra_aid.add_session())
        ra_aid.add("research_note", content="A note.", human_input_id=asked)
        ra_aid.add("research_note", content="A note of nobody.")
    assert [(note.content, note.session) for note in read_notes(path)] == [
        ("A note.", "1"),
        ("A note of nobody.", None),
    ]


def test_work_of_a_version_without_sessions_is_told_for_each_input(path: Path) -> None:
    trajectory = """
        CREATE TABLE trajectory (
            id INTEGER NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL, tool_name TEXT,
            tool_parameters TEXT, tool_result TEXT, step_data TEXT, record_type TEXT, cost REAL, tokens INTEGER,
            is_error INTEGER NOT NULL, error_message TEXT, error_type TEXT, error_details TEXT, human_input_id INTEGER
        );
    """
    with RaAidDatabase(path, FIRST + trajectory) as ra_aid:
        first, second = ra_aid.add_input("Fix the parser."), ra_aid.add_input("Now the lexer.")
        for asked in (first, second, None, first):
            ra_aid.add_record("tool_execution", "ripgrep_search", {"pattern": "x"}, human_input_id=asked)
    assert [(note.source_ref, note.session, note.content) for note in read_notes(path)] == [
        ("human_input/1", None, "Asked: Fix the parser.\nTools: ripgrep_search 2\nOutcome: not recorded"),
        ("human_input/2", None, "Asked: Now the lexer.\nTools: ripgrep_search 1\nOutcome: not recorded"),
        ("trajectory", None, "Tools: ripgrep_search 1\nOutcome: not recorded"),
    ]


def test_answers_given_in_between_belong_to_the_session_that_worked_on_them(path: Path) -> None:
    with RaAidDatabase(path) as ra_aid:
        one, other = ra_aid.add_session(), ra_aid.add_session(status="halted")
        ra_aid.add_input("Fix the parser.", session_id=one)
        answer = ra_aid.add_input("Yes, also the lexer.", source="hil")
        ra_aid.add_input("Something else.", session_id=other)
        ra_aid.add_record("read_file", "read_file_tool", {"filepath": "a.py"}, session_id=one, human_input_id=answer)
        ra_aid.add_record("stage_transition", session_id=other)
        ra_aid.add("key_fact", content="A fact.", human_input_id=answer)
    fact, *work_logs = read_notes(path)
    assert fact.session == "1"
    assert [note.content for note in work_logs] == [
        "Asked: Fix the parser.\nYes, also the lexer.\nTools: read_file_tool 1\nFiles read or noted: a.py\n"
        "Outcome: not recorded",
        "Asked: Something else.\nOutcome: halted",
    ]


def test_what_was_asked_is_found_where_ra_aid_has_dropped_the_input(path: Path) -> None:
    with RaAidDatabase(path) as ra_aid:
        sessions = [ra_aid.add_session(command_line=f"ra-aid -m {number}") for number in range(3)]
        ra_aid.add_record("user_query", session_id=sessions[0], step_data='{"query": "Fix the parser."}')
        ra_aid.add_record("tool_execution", "ask_expert", session_id=sessions[1])
        ra_aid.add_record("model_usage", session_id=sessions[2])
    assert [(note.session, note.content) for note in read_notes(path)] == [
        ("1", "Asked: Fix the parser.\nOutcome: not recorded"),
        ("2", "Asked: ra-aid -m 1\nTools: ask_expert 1\nOutcome: not recorded"),
    ]


def test_failed_edits_change_no_file_and_upkeep_is_no_tool(path: Path) -> None:
    with RaAidDatabase(path) as ra_aid:
        work = {"session_id": ra_aid.add_session()}
        ra_aid.add_record("file_write", "put_complete_file_contents", {"filepath": "new.py"}, **work)
        ra_aid.add_record("memory_operation", "emit_related_files", {"files": ["new.py", "b.py", 7]}, **work)
        ra_aid.add_record("memory_operation", "emit_key_snippet", {"snippet_info": {"filepath": "c.py"}}, **work)
        ra_aid.add_record("gc_operation", "key_facts_gc_agent", **work)
        ra_aid.add_record("tool_execution", "ripgrep_search", tool_parameters="{broken", **work)
        failed = {"is_error": 1, "error_message": "The text is not there."}
        ra_aid.add_record("error", "file_str_replace", {"filepath": "d.py"}, **work, **failed)
    assert read_notes(path)[0].content == (
        "Asked: ra-aid -m task\n"
        "Tools: put_complete_file_contents 1, emit_related_files 1, emit_key_snippet 1, ripgrep_search 1, "
        "file_str_replace 1\n"
        "Files changed: new.py\n"
        "Files read or noted: b.py, c.py, d.py\n"
        "Errors: 1\n"
        "Outcome: ended in an error: The text is not there."
    )


def test_a_long_session_is_told_in_bounds(path: Path) -> None:
    with RaAidDatabase(path) as ra_aid:
        session = ra_aid.add_session()
        ra_aid.add_input("x" * 50_000, session_id=session)
        for number in range(100):
            ra_aid.add_record("read_file", "read_file_tool", {"filepath": f"file{number}.py"}, session_id=session)
        ra_aid.add_record(
            "plan_completion", "plan_implementation_completed", {"message": "y" * 9_000}, session_id=session
        )
    (note,) = read_notes(path)
    assert len(note.content) <= MAX_CONTENT
    assert "file19.py and 80 more\nOutcome: yyy" in note.content


def test_text_is_kept_exactly_and_a_long_one_is_cut_with_a_mark(path: Path) -> None:
    odd = "  leading, \r\n trailing \u2028 \U0001f600 \x00 end \n"
    with RaAidDatabase(path) as ra_aid:
        for content in (odd, "x" * MAX_CONTENT, "x" * (MAX_CONTENT + 1), " \n"):
            ra_aid.add("key_fact", content=content)
    kept, exact, cut = (note.content for note in read_notes(path))
    assert (kept, exact) == (odd, "x" * MAX_CONTENT)
    assert len(cut) == MAX_CONTENT
    assert cut.endswith("x\n… cut: RA.Aid has the whole")


def test_values_that_are_no_text_are_read_as_well_as_can_be(path: Path) -> None:
    with RaAidDatabase(path) as ra_aid:
        ra_aid.add("key_fact", content=b"bytes \xff", created_at="some time ago")
        ra_aid.add("key_fact", content=3.5, created_at="0001-01-01 00:00:00")
        ra_aid.add("key_snippet", filepath="a.py", line_number="many", snippet="x")
        work = {"session_id": ra_aid.add_session()}
        ra_aid.add_record("task_completion", "task_completed", {"message": "half \ud83d a character"}, **work)
    notes = read_notes(path, zone=ZONE)
    assert [note.content for note in notes[:3]] == ["bytes \ufffd", "3.5", "x"]
    assert [note.created_at for note in notes[:2]] == [None, None]
    assert notes[2].start_line is None
    assert notes[3].content.endswith("Outcome: half ? a character")


def test_text_in_a_broken_encoding_is_read(path: Path) -> None:
    write_sample(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE key_fact SET content = CAST(x'66c3616374' AS TEXT)")
    assert read_notes(path)[0].content == "f\ufffdact"


def test_times_are_of_this_machine_where_no_zone_is_given(path: Path) -> None:
    write_sample(path)
    assert read_notes(path)[0].created_at == datetime.fromisoformat(NOW).astimezone(UTC)


@pytest.mark.parametrize("damage", ["no database", "cut", "header only"])
def test_a_broken_file_is_refused_in_a_sentence(path: Path, damage: str) -> None:
    write_sample(path)
    whole = path.read_bytes()
    path.write_bytes(
        {"no database": b"# Notes\n" * 200, "cut": whole[: len(whole) // 2], "header only": whole[:100]}[damage]
    )
    with pytest.raises(BadInputError, match=r"pk.db' cannot be read as a database of RA.Aid: .+\.$") as raised:
        read_notes(path)
    assert raised.value.code == "bad_import"


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with RaAidDatabase(path, "CREATE TABLE session (id INTEGER, status TEXT); CREATE TABLE key_fact (fact TEXT)"):
        pass
    with pytest.raises(BadInputError, match="none of the tables key_fact, key_snippet, research_note, trajectory"):
        read_notes(path)


def test_an_empty_file_and_a_missing_one_are_refused(path: Path) -> None:
    with pytest.raises(BadInputError, match="There is no file"):
        read_notes(path)
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(BadInputError, match="is no database of RA"):
        read_notes(path)
    assert list(path.parent.iterdir()) == [path]
