"""Following a task to its end in a terminal, and answering what it asks."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from vgproject.cli.client import Client
from vgproject.cli.live import ENDS, JsonView, LiveView
from vgproject.errors import VgprojectError

NEEDS_ANSWER = 3
INTERRUPTED = 130
ANSWERS = {"y": "approve", "a": "approve_for_session", "n": "deny"}
RECOVERY_ANSWERS = {"r": "run_again", "s": "skip", "d": "mark_done"}


class View(Protocol):
    def show(self, frame: dict[str, Any]) -> None: ...


def create_view(*, as_json: bool) -> View:
    console = Console()
    return JsonView(console) if as_json else LiveView(console)


async def follow_task(client: Client, session_id: str, task_id: str, view: View, *, after: int = 0) -> int:
    """Show the session until its task has ended; the exit code. Of what was asked before, only what is still open counts."""
    asked: dict[str, dict[str, Any]] = {}
    head_seq = 0
    async for frame in client.follow(session_id, after=after):
        view.show(frame)
        if frame["type"] == "subscribed":
            head_seq = frame["head_seq"]
        if frame.get("task_id") != task_id:
            continue
        if frame["type"] in ENDS:
            return ENDS[frame["type"]]
        if frame["type"] in ("approval_requested", "recovery_decision_requested", "budget_exceeded"):
            asked[frame["data"].get("approval_id") or frame["data"].get("recovery_id") or "budget"] = frame
        elif frame["type"] in ("approval_resolved", "recovery_decision_resolved", "task_resumed"):
            asked.pop(frame["data"].get("approval_id") or frame["data"].get("recovery_id") or "budget", None)
        if asked and frame.get("seq", 0) >= head_seq and not await _answer(client, session_id, asked):
            return NEEDS_ANSWER
    raise AssertionError("following has no end")


async def _answer(client: Client, session_id: str, asked: dict[str, dict[str, Any]]) -> bool:
    """Ask the person at this terminal; false where there is none."""
    if not sys.stdin.isatty():
        sys.stderr.write(
            "The task needs an answer, and nobody is at this terminal: use --yes, or answer in a terminal with"
            f" `vgproject attach {session_id}`.\n"
        )
        return False
    asked_id, frame = asked.popitem()
    try:
        command = await _ask(asked_id, frame)
        if command is None:
            return False
        await client.command(session_id, **command)
        if command["type"] == "update_settings":
            await client.command(session_id, type="resume")
    except VgprojectError as error:
        if error.code != "already_resolved":
            raise
    return True


async def _ask(asked_id: str, frame: dict[str, Any]) -> dict[str, Any] | None:
    """The command with the answer; ``None`` where the terminal was closed (Ctrl-D)."""
    if frame["type"] == "approval_requested":
        decision = await _choose(f"Run {frame['data']['arguments']}? [y]es, [n]o, [a]lways this: ", ANSWERS)
        return decision and {"type": "resolve_approval", "approval_id": asked_id, "decision": decision}
    if frame["type"] == "recovery_decision_requested":
        question = f"{frame['data']['arguments']}: [r]un again, [s]kip, [d]one already: "
        decision = await _choose(question, RECOVERY_ANSWERS)
        return decision and {"type": "resolve_recovery", "recovery_id": asked_id, "decision": decision}
    return await _ask_budget()


async def _choose(question: str, answers: dict[str, str]) -> Any:
    while line := await _read_line(question):
        if (letter := line.strip().lower()[:1]) in answers:
            return answers[letter]
    return None


async def _ask_budget() -> dict[str, Any] | None:
    while line := await _read_line("A new budget in USD, or nothing to stop: "):
        if not line.strip():
            return {"type": "cancel"}
        try:
            return {"type": "update_settings", "settings": {"max_cost_usd": float(line)}}
        except ValueError:
            continue
    return None


async def _read_line(question: str) -> str:
    """With its end; empty where the terminal was closed. No thread is left waiting when this is cancelled."""
    loop = asyncio.get_running_loop()
    terminal = sys.stdin.fileno()
    readable = asyncio.Event()
    _write_to_terminal(question)
    loop.add_reader(terminal, readable.set)
    try:
        await readable.wait()
        return os.read(terminal, 4096).decode(errors="replace")
    finally:
        loop.remove_reader(terminal)


def _write_to_terminal(text: str) -> None:
    """Not to stdout, which may be a pipe; and a person whose stderr goes to a file is asked all the same."""
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()
    else:
        Path(os.ttyname(sys.stdin.fileno())).write_text(text)
