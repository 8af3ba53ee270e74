"""``memory export``, ``memory import`` and ``memory clean-up``: a memory as files, back from files, and kept small."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vgproject.cli.client import Client
from vgproject.cli.memory import Entry, all_entries, options_of, where
from vgproject.cli.sessions import with_client
from vgproject.knowledge.notes import Note
from vgproject.knowledge.transfer import read_notes, write_json, write_markdown
from vgproject.schema.memory import MemoryEntry
from vgproject.utils.text import shorten, to_json, without_controls

REQUEST_CHARACTERS = 400_000
"""Of the notes that are sent at once: the server takes a megabyte."""


def export_memory(which: Entry, path: Path, *, server: str | None) -> int:
    """To one JSON document where ``path`` ends so, else to a directory of Markdown files."""

    async def work(client: Client) -> int:
        entries = [MemoryEntry.model_validate(entry) for entry in await all_entries(client, where(which))]
        if path.suffix == ".json":
            write_json(path, entries)
            print(f"{len(entries)} entries are in {path}.")
        else:
            touched = write_markdown(path, entries)
            print(f"{len(entries)} entries are in {path}; {len(touched)} files were written or deleted.")
        return 0

    return with_client(work, options_of(which), server)


def import_memory(which: Entry, path: Path, *, server: str | None, as_json: bool) -> int:
    """Nothing is sent where anything in ``path`` is wrong."""
    notes = read_notes(path)

    async def work(client: Client) -> int:
        merged: dict[str, Any] = {"added": [], "merged": [], "superseded": [], "conflicting": [], "refused": 0}
        for some in _requests(notes):
            done = await client.request("POST", "/v1/memory/import", json={**where(which), "notes": some})
            merged = {name: merged[name] + done[name] for name in merged}
        if as_json:
            print(to_json(merged, indent=2))
            return 0
        counts = {name: value if isinstance(value, int) else len(value) for name, value in merged.items()}
        told = [f"{count} {WORDS[name]}" for name, count in counts.items() if count or name == "added"]
        print(f"Of {len(notes)} entries: {', '.join(told)}.")
        return 0

    return with_client(work, options_of(which), server)


WORDS = {
    "added": "new",
    "merged": "known already",
    "superseded": "older ones replaced",
    "conflicting": "contradicting what is known (see `memory conflicts`)",
    "refused": "refused because the memory is full",
}


def _requests(notes: list[Note]) -> Iterator[list[Entry]]:
    some: list[Entry] = []
    size = 0
    for note in notes:
        values = note.model_dump(mode="json", exclude={"scope", "replaces", "message_id"}, exclude_none=True)
        length = len(to_json(values).encode())
        if some and size + length > REQUEST_CHARACTERS:
            yield some
            some, size = [], 0
        some.append(values)
        size += length
    if some:
        yield some


def clean_up(which: Entry, *, forget: list[str] | None, undo: str | None, server: str | None, as_json: bool) -> int:
    """Without ``forget`` and ``undo`` it only shows what could be forgotten."""

    async def work(client: Client) -> int:
        if undo:
            path = f"/v1/memory/clean-up/{undo}/undo"
            restored = await client.request("POST", path, params=where(which))
            print(to_json(restored, indent=2) if as_json else f"{len(restored)} entries are known again.")
        elif forget:
            done = await client.request("POST", "/v1/memory/clean-up", params=where(which), json={"reasons": forget})
            undoing = f" Undo it with `memory clean-up --undo {done['clean_up_id']}`." if done["forgotten"] else ""
            print(to_json(done, indent=2) if as_json else f"{len(done['forgotten'])} entries are forgotten.{undoing}")
        else:
            _show(await client.request("GET", "/v1/memory/clean-up", params=where(which)), as_json=as_json)
        return 0

    return with_client(work, options_of(which), server)


def _show(proposals: list[Entry], *, as_json: bool) -> None:
    if as_json:
        print(to_json(proposals, indent=2))
        return
    table = Table(Column("entry", no_wrap=True), "reason", "why", "content", box=None)
    for proposal in proposals:
        entry = proposal["entry"]
        cells = (entry["memory_id"], proposal["reason"], proposal["explanation"], shorten(entry["content"], 200))
        table.add_row(*(escape(without_controls(cell)) for cell in cells))
    Console().print(table)
