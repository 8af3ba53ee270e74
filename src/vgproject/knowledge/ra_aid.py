"""What RA.Aid has remembered of a project, as notes to import."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from vgproject.knowledge.ra_aid_database import Row, Tables, read_tables, text_of
from vgproject.knowledge.ra_aid_work import Run, describe_run
from vgproject.schema.memory import MemoryKind

MAX_CONTENT = 4_000
"""Characters of a note's content."""
CUT_MARK = "\n… cut: RA.Aid has the whole"


@dataclass(frozen=True)
class ImportedNote:
    kind: MemoryKind
    content: str
    path: str | None
    """As RA.Aid's agent wrote it: relative to the project as a rule, but sometimes absolute."""
    start_line: int | None
    tags: tuple[str, ...]
    created_at: datetime | None
    session: str | None
    """The id of RA.Aid's session."""
    source_ref: str
    """Table and id, such as ``key_fact/7``: the same each time this database is read."""


def read_notes(database: Path, *, zone: tzinfo | None = None) -> list[ImportedNote]:
    """Key facts, snippets, research notes, then a work log of each session. Raises `BadInputError` (``bad_import``).

    RA.Aid writes local times: ``zone`` is where it ran, by default where this program runs.
    """
    return [note for note in _notes(read_tables(database), zone) if note.content.strip()]


def _notes(tables: Tables, zone: tzinfo | None) -> Iterator[ImportedNote]:
    sessions = _sessions_of_inputs(tables)
    for row in tables["key_fact"]:
        yield _note("key_fact", text_of(row["content"]), row, session=_session(row, sessions), zone=zone)
    for row in tables["key_snippet"]:
        yield _note("key_snippet", _snippet(row), row, session=_session(row, sessions), zone=zone)
    for row in tables["research_note"]:
        yield _note("research_note", text_of(row["content"]), row, session=_session(row, sessions), zone=zone)
    yield from _work_logs(tables, sessions, zone)


def _note(
    kind: MemoryKind, content: str, row: Row, *, session: object, zone: tzinfo | None, ref: str = ""
) -> ImportedNote:
    line = row.get("line_number")
    return ImportedNote(
        kind=kind,
        content=_bounded(_encodable(content)),
        path=text_of(row.get("filepath")) or None,
        start_line=line if isinstance(line, int) and line > 0 else None,
        tags=("ra-aid",),
        created_at=_moment(text_of(row["created_at"]), zone),
        session=None if session is None else text_of(session),
        source_ref=ref or f"{kind}/{row['id']}",
    )


def _snippet(row: Row) -> str:
    return "\n\n".join(filter(None, (text_of(row["description"]), text_of(row["snippet"]))))


def _session(row: Row, sessions: dict[object, object]) -> object:
    """RA.Aid leaves ``session_id`` of what it remembers empty: the input that it was working on has it."""
    return row["session_id"] if row["session_id"] is not None else sessions.get(row["human_input_id"])


def _sessions_of_inputs(tables: Tables) -> dict[object, object]:
    """An answer that a person gave in between names no session; what was done upon it does."""
    sessions = {row["id"]: row["session_id"] for row in tables["human_input"]}
    for record in tables["trajectory"]:
        if record["session_id"] is not None and sessions.get(record["human_input_id"], "") is None:
            sessions[record["human_input_id"]] = record["session_id"]
    return sessions


def _work_logs(tables: Tables, sessions: dict[object, object], zone: tzinfo | None) -> Iterator[ImportedNote]:
    """One for each session, or for each input where the version of RA.Aid knows no sessions."""
    runs: dict[tuple[str, object], list[Row]] = defaultdict(list)
    for record in tables["trajectory"]:
        session = _session(record, sessions)
        runs[("human_input", record["human_input_id"]) if session is None else ("session", session)].append(record)
    rows = {row["id"]: row for row in tables["session"]}
    for (table, key), records in runs.items():
        row = rows.get(key, {}) if table == "session" else {}
        run = Run(
            asked=tuple(_asked(tables["human_input"], records, session=key if table == "session" else None)),
            records=records,
            status=text_of(row.get("status")),
            command_line=text_of(row.get("command_line")),
        )
        yield _note(
            "work_log",
            describe_run(run),
            {"created_at": row.get("start_time") or row.get("created_at") or records[0]["created_at"]},
            session=key if table == "session" else None,
            zone=zone,
            ref="trajectory" if key is None else f"{table}/{key}",
        )


def _asked(inputs: list[Row], records: list[Row], *, session: object) -> Iterator[str]:
    """The session's inputs, and those without one that its records refer to."""
    answered = {record["human_input_id"] for record in records}
    for row in inputs:
        in_session = session is not None and row["session_id"] == session
        if in_session or (row["session_id"] is None and row["id"] in answered):
            yield text_of(row["content"])


def _moment(written: str, zone: tzinfo | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _encodable(text: str) -> str:
    """JSON can hold halves of characters, which no database takes."""
    return text.encode(errors="replace").decode()


def _bounded(content: str) -> str:
    return content if len(content) <= MAX_CONTENT else content[: MAX_CONTENT - len(CUT_MARK)] + CUT_MARK
