"""Looking at sessions and what they changed, on a server: ``events``, ``diff``, ``apply``."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vgproject.cli.changes import applied_lines, diff_lines
from vgproject.cli.client import Client
from vgproject.cli.live import create_view
from vgproject.cli.styles import styles_of_stdout
from vgproject.cli.tasks import open_server
from vgproject.config import load_config
from vgproject.errors import NotFoundError
from vgproject.utils.text import without_controls


def with_client(work: Callable[[Client], Awaitable[int]], options: dict[str, Any], server: str | None) -> int:
    """Run ``work`` with a client of the server that ``options`` lead to."""

    async def run() -> int:
        async with open_server(load_config(options), server) as address:
            return await work(Client(address))

    return asyncio.run(run())


def show_events(
    session_id: str, options: dict[str, Any], *, server: str | None, after: int, follow: bool, as_json: bool
) -> int:
    async def work(client: Client) -> int:
        view = create_view(as_json=as_json)
        if follow:
            async for frame in client.follow(session_id, after=after):
                view.show(frame)
        cursor = after
        while True:
            query = {"after": cursor, "limit": 1000}
            page = await client.request("GET", f"/v1/sessions/{session_id}/events", params=query)
            for frame in page["events"]:
                view.show(frame)
            if not page["events"]:
                return 0
            cursor = page["events"][-1]["seq"]

    return with_client(work, options, server)


def show_diff(session_id: str | None, options: dict[str, Any], *, server: str | None) -> int:
    async def work(client: Client) -> int:
        diff = await client.request("GET", f"/v1/sessions/{await _or_last(client, session_id)}/diff")
        if sys.stdout.isatty():
            print(diff_lines(styles_of_stdout(), diff))
        else:
            sys.stdout.write(diff)
        return 0

    return with_client(work, options, server)


def apply_changes(session_id: str | None, options: dict[str, Any], *, server: str | None) -> int:
    async def work(client: Client) -> int:
        applied = await client.request("POST", f"/v1/sessions/{await _or_last(client, session_id)}/apply")
        print("\n".join(applied_lines(applied["files"])))
        return 0

    return with_client(work, options, server)


def create_branch(session_id: str | None, options: dict[str, Any], *, server: str | None) -> int:
    async def work(client: Client) -> int:
        made = await client.request("POST", f"/v1/sessions/{await _or_last(client, session_id)}/branch")
        print(made["branch"])
        return 0

    return with_client(work, options, server)


def list_workspaces(options: dict[str, Any], *, server: str | None) -> int:
    async def work(client: Client) -> int:
        table = Table(Column("session", no_wrap=True), "size", "used", "not applied", "title", "project", box=None)
        for found in await client.request("GET", "/v1/workspaces"):
            size = f"{found['bytes'] / 1e6:.1f} MB"
            files = f"{found['unapplied']} files" if found["unapplied"] else ""
            title, project = (escape(without_controls(found[name])) for name in ("title", "project"))
            table.add_row(found["session_id"], size, found["used_at"], files, title, project)
        Console().print(table)
        return 0

    return with_client(work, options, server)


def delete_session(session_id: str, options: dict[str, Any], *, server: str | None, force: bool) -> int:
    async def work(client: Client) -> int:
        await client.request("DELETE", f"/v1/sessions/{session_id}", params={"force": force})
        print(f"Deleted {session_id}.")
        return 0

    return with_client(work, options, server)


async def _or_last(client: Client, session_id: str | None) -> str:
    """By default the last session of the project in this directory. Raises `NotFoundError` where there is none."""
    if session_id:
        return session_id
    project = str(Path.cwd().resolve())
    sessions = await client.request("GET", "/v1/sessions")
    for session in sessions:
        if session["project"] == project:
            return str(session["session_id"])
    raise NotFoundError(f"No session of the project {project!r} is known: name one.", code="no_such_session")
