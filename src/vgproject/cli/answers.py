"""What a person at the terminal answers to what a task asks, as the command that says it."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

Command = dict[str, Any]

APPROVALS = {"y": "approve", "a": "approve_for_session", "n": "deny"}
PLANS = {"y": "approve", "c": "revise", "s": "reject"}
TASK_LIMITS = {
    "cost_usd": "max_cost_usd",
    "tokens": "max_tokens",
    "turns": "max_task_turns",
    "seconds": "max_seconds",
}
RECOVERIES = {"r": "run_again", "s": "skip", "d": "mark_done"}


async def ask(asked_id: str, frame: dict[str, Any]) -> Command | None:
    """``None`` where the terminal was closed (Ctrl-D). ``frame`` is the event that asks, under ``asked_id``."""
    data = frame["data"]
    match frame["type"]:
        case "approval_requested":
            decision = await _choose(f"Run {data['tool']} {data['arguments']}? [y]es, [n]o, [a]lways this: ", APPROVALS)
            return decision and {"type": "resolve_approval", "approval_id": asked_id, "decision": decision}
        case "question_asked":
            said = await _read_answer(data["choices"])
            return said and {"type": "answer", "question_id": asked_id, "content": said}
        case "plan_proposed":
            return await _judge_plan(asked_id)
        case "recovery_decision_requested":
            question = f"{data['arguments']}: [r]un again, [s]kip, [d]one already: "
            decision = await _choose(question, RECOVERIES)
            return decision and {"type": "resolve_recovery", "recovery_id": asked_id, "decision": decision}
        case "loop_paused":
            said = await _read_line("The agent seems to be stuck. What should it do, or nothing to stop: ")
            if not said:
                return None
            return {"type": "message", "content": said.strip()} if said.strip() else {"type": "cancel"}
        case _:
            return await _ask_budget(data, frame["phase"])


async def _choose(question: str, answers: dict[str, str]) -> Any:
    while line := await _read_line(question):
        if (letter := line.strip().lower()[:1]) in answers:
            return answers[letter]
    return None


async def _read_answer(choices: list[str]) -> Any:
    """What the person says, or the choice whose number they give."""
    while line := await _read_line("> "):
        if said := line.strip():
            return choices[int(said) - 1] if said.isdecimal() and 0 < int(said) <= len(choices) else said
    return None


async def _judge_plan(asked_id: str) -> Command | None:
    decision = await _choose("Follow this plan? [y]es, [c]hange it, [s]top: ", PLANS)
    if decision is None:
        return None
    command = {"type": "resolve_plan", "approval_id": asked_id, "decision": decision}
    if decision != "approve" and (reason := (await _read_line("Why, and what instead: ")).strip()):
        command["reason"] = reason
    return command


async def _ask_budget(exceeded: dict[str, Any], phase: str) -> Command | None:
    question = f"A new limit above {exceeded['allowed']:g} {exceeded['limit']}, or nothing to stop: "
    while line := await _read_line(question):
        if not line.strip():
            return {"type": "cancel"}
        try:
            return {"type": "update_settings", "settings": _raised(exceeded, phase, float(line))}
        except ValueError:
            continue
    return None


def _raised(exceeded: dict[str, Any], phase: str, value: float) -> dict[str, Any]:
    """The settings that raise the limit that was used up."""
    limit = exceeded["limit"]
    number: float = int(value) if limit in ("tokens", "turns") else value
    if exceeded.get("scope") == "phase":
        turns = {"max_turns": number} if limit == "turns" else {}
        return {"phase_budgets": {phase: {limit: number}}, **turns}
    return {TASK_LIMITS[limit]: number}


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
