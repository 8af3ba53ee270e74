from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console

from unit.cli.terminal.test_state import STARTED, USAGE, event, state_after
from vgproject.cli.session_table import session_table


def session(session_id: str, status: str, updated: str, *tasks: str, waiting: str = "") -> dict[str, Any]:
    return {
        "session_id": session_id,
        "title": f"Title of {session_id}",
        "status": status,
        "updated_at": f"2026-11-25T{updated}.000Z",
        "tasks": [{"status": task} for task in tasks],
        "waiting_for": [waiting] if waiting else [],
    }


def test_sessions_are_grouped_by_what_they_need() -> None:
    asks = event("question_asked", question_id="q", question="Left\nor right?", choices=[])
    states = {
        "s1": state_after(STARTED, event("usage_updated", task_usage=USAGE)),
        "s2": state_after(STARTED, asks),
        "s3": state_after(),
    }
    sessions = [
        session("s1", "idle", "01:00:00", "completed"),
        session("s2", "needs_you", "04:00:00", "running", waiting="q"),
        session("s3", "running", "04:01:55", "running"),
    ]
    printed = StringIO()
    now = datetime(2026, 11, 25, 4, 2, tzinfo=UTC)
    Console(file=printed, width=120).print(session_table(sessions, states, now))
    assert [" ".join(line.split()) for line in printed.getvalue().splitlines()] == [
        "session title state age cost waits for",
        "needs you (1)",
        "s2 Title of s2 needs you 2 min an answer: Left or right?",
        "running (1)",
        "s3 Title of s3 running 5 s",
        "done (1)",
        "s1 Title of s1 completed 3 h $0.50",
    ]
