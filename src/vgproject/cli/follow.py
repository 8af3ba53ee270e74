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
PLAN_ANSWERS = {"y": "approve", "c": "revise", "s": "reject"}
RECOVERY_ANSWERS = {"r": "run_again", "s": "skip", "d": "mark_done"}

ASKS = frozenset(
    {
        "approval_requested",
        "question_asked",
        "plan_proposed",
        "recovery_decision_requested",
        "budget_exceeded",
        "loop_paused",
    }
)
SETTLES = frozenset(
    {"approval_resolved", "question_answered", "plan_resolved", "recovery_decision_resolved", "task_resumed"}
)
QUESTION_IDS = ("approval_id", "question_id", "recovery_id")


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
        if frame["type"] in ASKS:
            asked[_question_id(frame)] = frame
        elif frame["type"] in SETTLES:
            asked.pop(_question_id(frame), None)
        if asked and frame.get("seq", 0) >= head_seq and not await _answer(client, session_id, asked):
            return NEEDS_ANSWER
    raise AssertionError("following has no end")


def _question_id(frame: dict[str, Any]) -> str:
    return next((str(frame["data"][name]) for name in QUESTION_IDS if name in frame["data"]), "budget")


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
        elif frame["type"] == "question_asked":
            said = await _read_answer(frame["data"]["choices"])
            await client.command(session_id, type="answer", question_id=asked_id, content=said)
        elif frame["type"] == "plan_proposed":
            await client.command(session_id, type="resolve_plan", approval_id=asked_id, **await _judge_plan())
        elif frame["type"] == "recovery_decision_requested":
            question = f"{frame['data']['arguments']}: [r]un again, [s]kip, [d]one already: "
            decision = await _choose(question, RECOVERY_ANSWERS)
            await client.command(session_id, type="resolve_recovery", recovery_id=asked_id, decision=decision)
        else:
            await _end_pause(client, session_id, frame)
    except VgprojectError as error:
        if error.code != "already_resolved":
            raise
    return True


async def _end_pause(client: Client, session_id: str, frame: dict[str, Any]) -> None:
    """Say how the task goes on, or stop it."""
    data = frame["data"]
    is_stuck = frame["type"] == "loop_paused"
    limit = f"A new limit above {data['allowed']:g} {data['limit']}" if not is_stuck else ""
    said = await _read(f"{limit or 'The agent is stuck: what should it do'}, or nothing to stop: ")
    if not said:
        await client.command(session_id, type="cancel")
        return
    if is_stuck:
        await client.command(session_id, type="message", content=said)
    else:
        settings = _raised(data, frame["phase"], float(said))
        await client.command(session_id, type="update_settings", settings=settings)
    await client.command(session_id, type="resume")


def _raised(exceeded: dict[str, Any], phase: str, value: float) -> dict[str, Any]:
    """The settings that raise the limit that was used up."""
    limit = exceeded["limit"]
    number: float = int(value) if limit in ("tokens", "turns") else value
    if exceeded.get("scope") == "phase":
        turns = {"max_turns": number} if limit == "turns" else {}
        return {"phase_budgets": {phase: {limit: number}}, **turns}
    return {TASK_LIMITS[limit]: number}


async def _read_answer(choices: list[str]) -> str:
    """What the person says, or the choice whose number they give."""
    while not (said := (await _read("> ")).strip()):
        pass
    return choices[int(said) - 1] if said.isdecimal() and 0 < int(said) <= len(choices) else said


async def _judge_plan() -> dict[str, str]:
    decision = await _choose("Follow this plan? [y]es, [c]hange it, [s]top: ", PLAN_ANSWERS)
    reason = "" if decision == "approve" else (await _read("Why, and what instead: ")).strip()
    return {"decision": decision, **({"reason": reason} if reason else {})}


async def _choose(question: str, answers: dict[str, str]) -> str:
    while (letter := (await _read(question)).strip().lower()[:1]) not in answers:
        pass
    return answers[letter]


async def _read(question: str) -> str:
    return await asyncio.to_thread(input, question)
