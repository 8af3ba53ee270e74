"""``sessions``: which of them need somebody, which run, and which are done."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vgproject.cli.client import Client
from vgproject.cli.sessions import with_client
from vgproject.cli.terminal.state import SessionState
from vgproject.cli.transcript import harmless
from vgproject.utils.text import shorten, to_json

Session = dict[str, Any]
GROUPS = {"needs you": ("needs_you",), "running": ("running", "queued", "paused"), "done": ("idle",)}
TAIL_EVENTS = 40
"""So many of the last events tell what a task costs, and what it asks."""
AT_ONCE = 8


def list_sessions(options: dict[str, Any], *, server: str | None, as_json: bool) -> int:
    async def work(client: Client) -> int:
        sessions = await client.request("GET", "/v1/sessions")
        if as_json:
            print(to_json(sessions, indent=2))
        else:
            states = await _read_tails(client, sessions)
            Console().print(session_table(sessions, states, datetime.now(UTC)))
        return 0

    return with_client(work, options, server)


async def _read_tails(client: Client, sessions: list[Session]) -> dict[str, SessionState]:
    places = asyncio.Semaphore(AT_ONCE)

    async def read(session: Session) -> SessionState:
        state = SessionState(session["session_id"])
        query = {"after": max(session["head_seq"] - TAIL_EVENTS, 0), "limit": TAIL_EVENTS}
        async with places:
            page = await client.request("GET", f"/v1/sessions/{state.session_id}/events", params=query)
        for frame in page["events"]:
            state.take(frame)
        return state

    return {state.session_id: state for state in await asyncio.gather(*map(read, sessions))}


def session_table(sessions: list[Session], states: dict[str, SessionState], now: datetime) -> Table:
    columns = (Column("session", no_wrap=True), "title", "state", Column("age", justify="right"))
    table = Table(*columns, Column("cost", justify="right"), "waits for", box=None)
    for group, statuses in GROUPS.items():
        if members := [session for session in sessions if session["status"] in statuses]:
            table.add_row(f"[bold]{group}[/] ({len(members)})")
            for session in members:
                table.add_row(*(escape(harmless(cell)) for cell in _cells(session, states[session["session_id"]], now)))
    return table


def _cells(session: Session, state: SessionState, now: datetime) -> Iterable[str]:
    cost = state.task.cost_usd if state.task else None
    return (
        session["session_id"],
        shorten(session["title"], 60),
        _state(session),
        _age(session["updated_at"], now),
        f"${cost:.2f}" if cost else "",
        "; ".join(_waits_for(asked, state) for asked in session["waiting_for"]),
    )


def _state(session: Session) -> str:
    """Of one that does nothing, how its last task ended."""
    if session["status"] != "idle":
        return str(session["status"]).replace("_", " ")
    return str(session["tasks"][-1]["status"]) if session["tasks"] else "no task yet"


def _age(time: str, now: datetime) -> str:
    seconds = max((now - datetime.fromisoformat(time)).total_seconds(), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _waits_for(asked: str, state: SessionState) -> str:
    frame = state.questions.get(asked)
    data = frame["data"] if frame else {}
    match frame and frame["type"]:
        case "approval_requested":
            return f"approval of {data['tool']}"
        case "question_asked":
            return f"an answer: {shorten(' '.join(data['question'].split()), 60)}"
        case "plan_proposed":
            return "your word on its plan"
        case "recovery_decision_requested":
            return f"what to do with {data['tool']}"
        case "budget_exceeded":
            return f"a limit above {data['allowed']:g} {data['limit']}"
        case "loop_paused":
            return "a word what to do"
        case _:
            return "an answer"
