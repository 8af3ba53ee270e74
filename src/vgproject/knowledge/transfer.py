"""A memory as files and back: Markdown with front matter, one file an entry, or one JSON document; and RA.Aid's database.

Files are meant to be kept in a git repository, read and edited there: what is read is taken as notes, which are merged.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from vgproject.errors import BadInputError
from vgproject.knowledge import ra_aid
from vgproject.knowledge.file_names import file_name
from vgproject.knowledge.front_matter import from_markdown, to_markdown
from vgproject.knowledge.notes import Note
from vgproject.schema.memory import MAX_CONTENT, MEMORY_KINDS, MemoryEntry, Place
from vgproject.utils.text import shorten

FORMAT = "vgproject.memory/1"
MAX_FILE_BYTES = 64 * 1024 * 1024
SQLITE_MAGIC = b"SQLite format 3\0"
GIT_ATTRIBUTES = "* -text\n"
"""Git changes no line ends: a text that has its own keeps them."""

TAKEN = ("kind", "content", "tags", "confidence", "source", "place")
"""The fields of an entry that a note has too."""


def write_markdown(directory: Path, entries: Iterable[MemoryEntry]) -> list[Path]:
    """One file an entry under a directory for each kind; files of entries that are not there any more are deleted.

    Only files with the names that this gives are touched. Returns what was written or deleted.
    """
    wanted = {directory / file_name(entry.kind, entry.content, entry.memory_id): _markdown(entry) for entry in entries}
    old = {path for kind in MEMORY_KINDS for path in (directory / f"{kind}s").glob("*mem_*.md")}
    touched = sorted(old - set(wanted))
    for path in touched:
        path.unlink()
    for path, text in {**wanted, directory / ".gitattributes": GIT_ATTRIBUTES}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            touched.append(path)
    return touched


def write_json(path: Path, entries: Iterable[MemoryEntry]) -> None:
    document = {"format": FORMAT, "entries": [entry.model_dump(mode="json") for entry in entries]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_notes(path: Path) -> list[Note]:
    """The notes in a directory of Markdown files, a file of either kind, or RA.Aid's ``pk.db`` or its directory.

    Raises `BadInputError` (``bad_import``), and then nothing of it is to be taken.
    """
    if (path / "pk.db").is_file():
        path = path / "pk.db"
    if path.is_dir():
        files = sorted(found for found in path.rglob("*.md") if _is_entry(found.relative_to(path)))
        if not files:
            raise BadInputError(f"The directory {str(path)!r} has no Markdown files.", code="bad_import")
        return [_note_of_markdown(file) for file in files]
    head = _read(path)[: len(SQLITE_MAGIC)]
    if head == SQLITE_MAGIC:
        return [_note_of_ra_aid(note, path) for note in ra_aid.read_notes(path)]
    return [_note_of_markdown(path)] if path.suffix == ".md" else list(_notes_of_json(path))


def _markdown(entry: MemoryEntry) -> str:
    fields: dict[str, JsonValue] = {
        "memory_id": entry.memory_id,
        "kind": entry.kind,
        "tags": list(entry.tags),
        "confidence": entry.confidence,
        "source": entry.source,
        "version": entry.version,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "origin": entry.origin.model_dump(mode="json", exclude_none=True),
    }
    if entry.place:
        fields["place"] = entry.place.model_dump(mode="json", exclude_none=True)
    return to_markdown(fields, entry.content)


def _note_of_markdown(path: Path) -> Note:
    try:
        text = _read(path).decode()
    except UnicodeDecodeError as error:
        raise BadInputError(f"The file {str(path)!r} is not UTF-8.", code="bad_import") from error
    fields, content = from_markdown(text, source=str(path))
    return _note({**fields, "content": content}, str(path))


def _notes_of_json(path: Path) -> Iterator[Note]:
    try:
        document = json.loads(_read(path))
    except ValueError as error:
        raise BadInputError(f"The file {str(path)!r} is not JSON: {error}.", code="bad_import") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT or "entries" not in document:
        raise BadInputError(
            f"The file {str(path)!r} is no exported memory: its 'format' must be {FORMAT!r}.", code="bad_import"
        )
    for number, entry in enumerate(document["entries"], 1):
        if not isinstance(entry, dict):
            raise BadInputError(f"{str(path)!r}, entry {number}: it is no object.", code="bad_import")
        yield _note(entry, f"{path}#{number}")


def _note(fields: dict[str, Any], source: str) -> Note:
    taken = {name: fields[name] for name in TAKEN if fields.get(name) is not None}
    try:
        return Note(**taken, imported_from=source, noted_at=fields.get("created_at"))
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"]))
        raise BadInputError(f"{source}: {name}: {wrong['msg']}.", code="bad_import") from error


def _note_of_ra_aid(note: ra_aid.ImportedNote, database: Path) -> Note:
    path = note.path if note.path and len(note.path) <= 1_000 else None
    return Note(
        kind=note.kind,
        content=shorten(note.content.replace("\0", ""), MAX_CONTENT),
        tags=note.tags,
        source="agent",
        place=Place(path=path, start_line=note.start_line) if path else None,
        imported_from=f"{database}#{note.source_ref}",
        noted_at=note.created_at,
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInputError(f"The file {str(path)!r} has more than {MAX_FILE_BYTES >> 20} MiB.", code="bad_import")
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{str(path)!r} cannot be read: {error.strerror}.", code="bad_import") from error


def _is_entry(path: Path) -> bool:
    return path.name.lower() != "readme.md" and not any(part.startswith(".") for part in path.parts)
