"""What waits for a person's word: it stays above the prompt until somebody has answered."""

from vgproject.cli.event_lines import what_would_run
from vgproject.cli.terminal.state import Frame, SessionState
from vgproject.cli.terminal.status_line import Part
from vgproject.cli.transcript import harmless
from vgproject.utils.text import shorten

MAX_LINES = 8
LEAVING = "Leave? [s]top the task and stay, [d]etach and let it go on, [g]o on here; Ctrl-C again leaves."
KEYS = {
    "approval_requested": "y yes · n no · a always this · /approve edit · /deny REASON",
    "question_asked": "type the answer, or the number of a choice",
    "plan_proposed": "y follow it · s stop · /plan revise TEXT · /plan edit",
    "recovery_decision_requested": "r run again · s skip · d it is done",
    "loop_paused": "type what it should do, or /resume, or /stop",
    "budget_exceeded": "type a new limit, or /stop",
}


def dock_parts(state: SessionState) -> list[Part]:
    """The oldest question in whole, as far as there is room, and how many more there are."""
    if not state.questions:
        return []
    frame, *more = state.questions.values()
    title, *lines = _told(frame)
    shown = lines[:MAX_LINES] + (
        [f"… {len(lines) - MAX_LINES} more lines, see above"] if len(lines) > MAX_LINES else []
    )
    parts = [("class:needs bold", f"? {title}\n"), *(("", f"  {line}\n") for line in shown)]
    waiting = f" · {len(more)} more after this" if more else ""
    return [*parts, ("class:keys", f"{KEYS[frame['type']]}{waiting}")]


def _told(frame: Frame) -> list[str]:
    data = frame["data"]
    match frame["type"]:
        case "approval_requested":
            return [f"Approve? {harmless(data['reason'])}", *what_would_run(data).split("\n")]
        case "question_asked":
            choices = [f"{number}. {harmless(choice)}" for number, choice in enumerate(data["choices"], start=1)]
            return [*harmless(data["question"]).split("\n"), *choices]
        case "plan_proposed":
            steps = [f"{harmless(step['id'])}. {harmless(step['title'])}" for step in data["plan"]["steps"]]
            return [
                f"Follow this plan? {shorten(harmless(data['plan']['summary']).replace(chr(10), ' '), 200)}",
                *steps,
            ]
        case "recovery_decision_requested":
            return [harmless(data["unknown"]), *what_would_run(data).split("\n")]
        case "loop_paused":
            return ["The agent gets nowhere: what should it do?"]
        case _:
            return [f"The budget of {data['allowed']:g} {data['limit']} is used up."]


def prompt_of(state: SessionState) -> str:
    """What a text that is typed now will be."""
    kinds = {frame["type"] for frame in list(state.questions.values())[:1]}
    if kinds & {"question_asked"}:
        return "answer› "
    if kinds & {"budget_exceeded"}:
        return "limit› "
    return "steer› " if state.task and state.task.status in ("running", "paused") else "task› "
