"""``memory``: what is known about a project, or of the user's own; looked at, changed, undone, settled, watched."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vgproject.cli.client import Client, RefusedError
from vgproject.cli.sessions import with_client
from vgproject.config import load_config
from vgproject.errors import ConflictError
from vgproject.utils.text import shorten, to_json, without_controls

PAGE = 1000
Entry = dict[str, Any]


def list_entries(which: Entry, query: Entry, *, server: str | None, limit: int | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        _show_entries(await all_entries(client, {**where(which), **query}, limit=limit), as_json=as_json)
        return 0

    return with_client(work, options_of(which), server)


async def all_entries(client: Client, query: Entry, *, limit: int | None = None) -> list[Entry]:
    entries: list[Entry] = []
    while limit is None or len(entries) < limit:
        size = min(PAGE, PAGE if limit is None else limit - len(entries))
        after = {"after": entries[-1]["memory_id"]} if entries else {}
        page = await client.request("GET", "/v1/memory", params={**query, **after, "limit": size})
        entries += page
        if len(page) < size:
            break
    return entries


def search(which: Entry, query: Entry, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        entries = await client.request("GET", "/v1/memory/search", params={**where(which), **query})
        _show_entries(entries, as_json=as_json)
        return 0

    return with_client(work, options_of(which), server)


def show(memory_id: str, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        entry = await client.request("GET", f"/v1/memory/{memory_id}")
        if as_json:
            print(to_json(entry, indent=2))
            return 0
        table = Table(Column("", no_wrap=True), "", box=None, show_header=False)
        for name, value in _told(entry):
            table.add_row(name, escape(without_controls(value)))
        Console().print(table)
        print(f"\n{without_controls(entry['content'])}")
        return 0

    return with_client(work, {}, server)


def add(which: Entry, body: Entry, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        _show_changed(await client.request("POST", "/v1/memory", json={**where(which), **body}), as_json=as_json)
        return 0

    return with_client(work, options_of(which), server)


def edit(memory_id: str, changes: Entry, *, version: int | None, server: str | None, as_json: bool) -> int:
    """Without ``version`` whichever it is now. Raises `ConflictError` that says who changed what since ``version``."""
    path = f"/v1/memory/{memory_id}"

    async def work(client: Client) -> int:
        meant = version or (await client.request("GET", path))["version"]
        try:
            entry = await client.request("PATCH", path, json={"version": meant, **changes})
        except RefusedError as error:
            if error.code != "conflict":
                raise
            raise ConflictError(await _since(client, path, meant, error.message)) from error
        _show_changed(entry, as_json=as_json)
        return 0

    return with_client(work, {}, server)


async def _since(client: Client, path: str, version: int, sentence: str) -> str:
    history = await client.request("GET", f"{path}/history")
    newer = [change for change in history if change["entry"]["version"] > version]
    return "\n".join([sentence, *(f"  {_line_of_change(change)}" for change in newer)])


def forget(memory_id: str, query: Entry, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        _show_changed(await client.request("DELETE", f"/v1/memory/{memory_id}", params=query), as_json=as_json)
        return 0

    return with_client(work, {}, server)


def restore(memory_id: str, body: Entry, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        _show_changed(await client.request("POST", f"/v1/memory/{memory_id}/restore", json=body), as_json=as_json)
        return 0

    return with_client(work, {}, server)


def show_history(memory_id: str, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        history = await client.request("GET", f"/v1/memory/{memory_id}/history")
        if as_json:
            print(to_json(history, indent=2))
            return 0
        table = Table("version", "change", "by", Column("when", no_wrap=True), "why", "content", box=None)
        for change in history:
            entry = change["entry"]
            cells = (change["change"], change["actor"]["id"], change["time"], change["reason"] or "", entry["content"])
            table.add_row(f"v{entry['version']}", *(escape(without_controls(cell)) for cell in cells))
        Console().print(table)
        return 0

    return with_client(work, {}, server)


def list_conflicts(which: Entry, *, settled: bool, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        query = {**where(which), "settled": settled}
        conflicts = await client.request("GET", "/v1/memory/conflicts", params=query)
        if as_json:
            print(to_json(conflicts, indent=2))
            return 0
        table = Table(Column("conflict", no_wrap=True), "", "by", "content", box=None)
        for conflict in conflicts:
            for place, name in (("first", conflict["conflict_id"]), ("second", _end_of(conflict))):
                entry = conflict[place]
                cells = (place, entry["origin"]["actor"], entry["content"])
                table.add_row(name, *(escape(without_controls(cell)) for cell in cells))
        Console().print(table)
        return 0

    return with_client(work, options_of(which), server)


def _end_of(conflict: Entry) -> str:
    if conflict["status"] == "open":
        return ""
    return escape(without_controls(f"{conflict['settlement']} by {conflict['settled_by']['id']}"))


def settle(conflict_id: str, body: Entry, *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        conflict = await client.request("POST", f"/v1/memory/conflicts/{conflict_id}", json=body)
        if as_json:
            print(to_json(conflict, indent=2))
            return 0
        for place in ("first", "second"):
            entry = conflict[place]
            print(f"{entry['memory_id']}  {entry['status']:<10}  {without_controls(entry['content'])}")
        return 0

    return with_client(work, {}, server)


def watch(which: Entry, *, server: str | None, as_json: bool) -> int:
    """The state, then each change, until it is interrupted."""

    async def work(client: Client) -> int:
        async for frame in client.follow_memory(**where(which)):
            if as_json:
                print(to_json(frame), flush=True)
            elif frame["type"] == "memory_snapshot":
                for entry in frame["entries"]:
                    print(_line(entry), flush=True)
            elif "change" in frame:
                print(f"{frame['entry']['memory_id']}  {_line_of_change(frame)}", flush=True)
        return 0

    return with_client(work, options_of(which), server)


def _show_entries(entries: list[Entry], *, as_json: bool) -> None:
    if as_json:
        print(to_json(entries, indent=2))
        return
    table = Table(Column("entry", no_wrap=True), "version", "kind", "content", "tags", "status", box=None)
    for entry in entries:
        status = "" if entry["status"] == "active" else entry["status"]
        content = shorten(entry["content"], 400)
        cells = (entry["memory_id"], f"v{entry['version']}", entry["kind"], content, " ".join(entry["tags"]), status)
        table.add_row(*(escape(without_controls(cell)) for cell in cells))
    Console().print(table)


def _show_changed(entry: Entry, *, as_json: bool) -> None:
    print(to_json(entry, indent=2) if as_json else _line(entry))


def _line(entry: Entry) -> str:
    return f"{entry['memory_id']}  v{entry['version']}  {without_controls(entry['content'])}"


def _line_of_change(change: Entry) -> str:
    """Who did what, when and why, in one line."""
    entry = change["entry"]
    why = f" ({change['reason']})" if change["reason"] else ""
    done = f"v{entry['version']}  {change['change']} by {change['actor']['id']} at {change['time']}{why}"
    return without_controls(f"{done}: {shorten(entry['content'], 200)}")


def _told(entry: Entry) -> Iterable[tuple[str, str]]:
    origins = (" ".join(str(value) for value in origin.values() if value) for origin in entry["origins"])
    place = entry["place"] or {}
    lines = "-".join(str(place[end]) for end in ("start_line", "end_line") if place.get(end))
    told = {
        "entry": f"{entry['memory_id']} v{entry['version']}, {entry['status']}",
        "kind": entry["kind"],
        "of": entry["user"] or entry["project"],
        "tags": " ".join(entry["tags"]),
        "confidence": entry["confidence"],
        "place": f"{place['path']}{':' if lines else ''}{lines}" if place else "",
        "from": "; ".join(origins),
        "replaces": " ".join(entry["replaces"]),
        "contradicts": " ".join(entry["conflicts_with"]),
        "changed": entry["updated_at"],
        "recalled": f"{entry['recalls']} times, last at {entry['recalled_at']}" if entry["recalls"] else "",
    }
    return ((name, value) for name, value in told.items() if value)


def where(which: Entry) -> Entry:
    """``which`` has the project's directory, if it was named, and the scope."""
    if which["scope"] == "user":
        return {"scope": "user"}
    return {"scope": "project", "project": str(load_config(options_of(which)).config.project.resolve())}


def options_of(which: Entry) -> Entry:
    return {"project": which["project"]}
