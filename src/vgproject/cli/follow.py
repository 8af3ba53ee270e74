"""Following a task to its end in a terminal, and answering what it asks."""

import asyncio
import sys
from typing import Any, Protocol

from rich.console import Console

from vgproject.cli.client import Client
from vgproject.cli.live import ENDS, JsonView, LiveView
from vgproject.errors import VgprojectError

NEEDS_ANSWER = 3
INTERRUPTED = 130
ANSWERS = {"y": "approve", "a": "approve_for_session", "n": "deny"}
TASK_LIMITS = {
    "cost_usd": "max_cost_usd",
    "tokens": "max_tokens",
    "turns": "max_task_turns",
    "seconds": "max_seconds",
}
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
        if frame["type"] in ("approval_requested", "recovery_decision_requested", "budget_exceeded", "loop_paused"):
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
        if frame["type"] == "approval_requested":
            decision = await _choose(f"Run {frame['data']['arguments']}? [y]es, [n]o, [a]lways this: ", ANSWERS)
            await client.command(session_id, type="resolve_approval", approval_id=asked_id, decision=decision)
        elif frame["type"] == "recovery_decision_requested":
            question = f"{frame['data']['arguments']}: [r]un again, [s]kip, [d]one already: "
            decision = await _choose(question, RECOVERY_ANSWERS)
            await client.command(session_id, type="resolve_recovery", recovery_id=asked_id, decision=decision)
        elif frame["type"] == "loop_paused":
            said = await _read("The agent seems to be stuck. What should it do? Nothing stops it: ")
            if not said:
                await client.command(session_id, type="cancel")
                return True
            await client.command(session_id, type="message", content=said)
            await client.command(session_id, type="resume")
        else:
            data = frame["data"]
            raised = await _read(f"A new limit above {data['allowed']:g} {data['limit']}, or nothing to stop: ")
            if not raised:
                await client.command(session_id, type="cancel")
                return True
            settings = _raised(data, frame["phase"], float(raised))
            await client.command(session_id, type="update_settings", settings=settings)
            await client.command(session_id, type="resume")
    except VgprojectError as error:
        if error.code != "already_resolved":
            raise
    return True


def _raised(exceeded: dict[str, Any], phase: str, value: float) -> dict[str, Any]:
    """The settings that raise the limit that was used up."""
    limit = exceeded["limit"]
    number: float = int(value) if limit in ("tokens", "turns") else value
    if exceeded.get("scope") == "phase":
        turns = {"max_turns": number} if limit == "turns" else {}
        return {"phase_budgets": {phase: {limit: number}}, **turns}
    return {TASK_LIMITS[limit]: number}


async def _choose(question: str, answers: dict[str, str]) -> str:
    while (letter := (await _read(question)).strip().lower()[:1]) not in answers:
        pass
    return answers[letter]


async def _read(question: str) -> str:
    return await asyncio.to_thread(input, question)
