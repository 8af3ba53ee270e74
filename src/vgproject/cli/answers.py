"""What a person answers to what a task asks, as the command that says it."""

from typing import Any

Frame = dict[str, Any]
Command = dict[str, Any]

APPROVALS = {
    "y": "approve",
    "yes": "approve",
    "a": "approve_for_session",
    "always": "approve_for_session",
    "n": "deny",
    "no": "deny",
}
PLANS = {"y": "approve", "yes": "approve", "c": "revise", "change": "revise", "s": "reject", "stop": "reject"}
RECOVERIES = {"r": "run_again", "s": "skip", "d": "mark_done"}
TASK_LIMITS = {
    "cost_usd": "max_cost_usd",
    "tokens": "max_tokens",
    "turns": "max_task_turns",
    "seconds": "max_seconds",
}


def question_of(frame: Frame) -> str:
    """What to ask for the event that asks."""
    data = frame["data"]
    match frame["type"]:
        case "approval_requested":
            return f"Run {data['tool']} {data['arguments']}? [y]es, [n]o, [a]lways this: "
        case "question_asked":
            return "> "
        case "plan_proposed":
            return "Follow this plan? [y]es, [c]hange it, [s]top: "
        case "recovery_decision_requested":
            return f"{data['arguments']}: [r]un again, [s]kip, [d]one already: "
        case "loop_paused":
            return "The agent seems to be stuck. What should it do, or nothing to stop: "
        case _:
            return f"A new limit above {data['allowed']:g} {data['limit']}, or nothing to stop: "


def answer_of(asked_id: str, frame: Frame, line: str) -> Command | None:
    """The command that ``line`` means as an answer to the event that asks; ``None`` where it is no answer."""
    said, data = line.strip(), frame["data"]
    match frame["type"]:
        case "approval_requested":
            return _decide("resolve_approval", "approval_id", asked_id, APPROVALS.get(said.lower()))
        case "question_asked":
            content = _choice(data["choices"], said)
            return {"type": "answer", "question_id": asked_id, "content": content} if content else None
        case "plan_proposed":
            return _decide("resolve_plan", "approval_id", asked_id, PLANS.get(said.lower()))
        case "recovery_decision_requested":
            return _decide("resolve_recovery", "recovery_id", asked_id, RECOVERIES.get(said.lower()))
        case "loop_paused":
            return {"type": "message", "content": said} if said else {"type": "cancel"}
        case _:
            return _raise_budget(data, frame["phase"], said)


def _decide(command: str, field: str, asked_id: str, decision: str | None) -> Command | None:
    return {"type": command, field: asked_id, "decision": decision} if decision else None


def _choice(choices: list[str], said: str) -> str:
    """What the person says, or the choice whose number they give."""
    return choices[int(said) - 1] if said.isdecimal() and 0 < int(said) <= len(choices) else said


def _raise_budget(exceeded: Frame, phase: str, said: str) -> Command | None:
    if not said:
        return {"type": "cancel"}
    value = number_of(said)
    return {"type": "update_settings", "settings": raised(exceeded, phase, value)} if value else None


def number_of(said: str) -> float | None:
    """A number above 0."""
    try:
        value = float(said)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def with_resume(command: Command) -> list[Command]:
    """A task that holds at a limit, or because it got nowhere, goes on when it is told to."""
    resumes = command["type"] in ("update_settings", "message")
    return [command, {"type": "resume"}] if resumes else [command]


def raised(exceeded: Frame, phase: str, value: float) -> dict[str, Any]:
    """The settings that raise the limit that was used up."""
    limit = exceeded["limit"]
    number: float = int(value) if limit in ("tokens", "turns") else value
    if exceeded.get("scope") == "phase":
        turns = {"max_turns": number} if limit == "turns" else {}
        return {"phase_budgets": {phase: {limit: number}}, **turns}
    return {TASK_LIMITS[limit]: number}
