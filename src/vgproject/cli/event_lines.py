"""Each event as the lines that a person reads. What stands in them is harmless for a terminal already."""

import json
from collections.abc import Callable
from typing import Any

from vgproject.cli.styles import Styles
from vgproject.utils.text import shorten, to_json, with_visible_controls

Frame = dict[str, Any]
Lines = Callable[[Styles, Frame], str | None]


def plan_lines(paint: Styles, data: Frame) -> str:
    plan = data["plan"]
    lines = [f"\n{paint('bold', 'Plan')} {plan['summary']}"]
    lines += [f"  {step['id']}. {step['title']} {paint('dim', ', '.join(step['files']))}" for step in plan["steps"]]
    return "\n".join(lines)


def _question(paint: Styles, data: Frame) -> str:
    lines = ["\n" + paint("bold yellow", f"? {data['question']}")]
    return "\n".join([*lines, *(f"  {number}. {choice}" for number, choice in enumerate(data["choices"], start=1))])


def _recalled(paint: Styles, data: Frame) -> str:
    lines = [paint("dim", f"Recalled {len(data['entries'])} entries of memory.")]
    for entry in data["entries"]:
        first = shorten(" ".join(entry["content"].split()), 120)
        lines.append("  " + paint("dim", f"{entry['kind']}: {first} ({entry['reason']})"))
    return "\n".join(lines)


def _merged(paint: Styles, data: Frame) -> str:
    """The counts that older events do not have are left out, and so are zeros."""
    names = {"added": "new", "merged": "known", "superseded": "superseded", "conflicting": "conflicting"}
    counts = {told: len(data.get(name, ())) for name, told in names.items()} | {"refused": data.get("refused", 0)}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name in ("new", "known"))
    line = paint("dim", f"Memory: {told}.")
    if counts["conflicting"]:
        line += "\n" + paint("yellow", "What contradicts what is known needs your word: vgproject memory conflicts")
    return line


def _completed(paint: Styles, data: Frame) -> str:
    usage = data["usage"]
    cost = "of unknown price" if usage["cost_usd"] is None else f"${usage['cost_usd']:.4f}"
    tokens = usage["input_tokens"] + usage["output_tokens"]
    told = f"{usage['requests']} model calls, {tokens} tokens, {cost}"
    return f"\n{paint('bold green', 'Completed')} {paint('dim', told)}"


def _decided(paint: Styles, data: Frame) -> str:
    reason = f": {data['reason']}" if data.get("reason") else ""
    return paint("yellow", f"{data['decision']} by {data['resolved_by']}{reason}")


def _file_changed(paint: Styles, data: Frame) -> str:
    added, removed = f"+{data['additions']}", f"-{data['deletions']}"
    return f"  {paint('blue', data['change'])} {data['path']} {paint('green', added)} {paint('red', removed)}"


def _tool_requested(paint: Styles, data: Frame) -> str:
    arguments = shorten(json.dumps(data["arguments"], ensure_ascii=False), 160)
    tool = f"▸ {data['tool']}"
    return f"{paint('green', tool)} {paint('dim', arguments)}"


def _phase_started(paint: Styles, data: Frame) -> str:
    title = f"━━ {data['phase'].capitalize()}"
    return f"\n{paint('bold cyan', title)} {paint('dim', data['model'])}"


def _applied(paint: Styles, data: Frame) -> str:
    return paint("green", f"{len(data['files'])} files are applied to the project by {data['applied_by']}.")


def tests_line(paint: Styles, tests: Frame) -> str:
    """A run of the tests in one line."""
    verdict = paint("green", "passed") if tests["passed"] else paint("red", "failed")
    if not tests["passed"] and tests.get("failed_before"):
        verdict += " (as before the task)"
    where = " (found in the project)" if tests.get("found") else ""
    line = f"Tests: {tests['command']}{where}: {verdict}"
    if summary := tests.get("summary"):
        told = [(summary[name], name) for name in ("passed", "failed", "errors", "skipped")]
        line += ", " + ", ".join(f"{count} {name}" for count, name in told if count or name == "failed")
        if failing := summary["failing"]:
            line += f": {shorten(', '.join(failing), 200)}"
    return line


def progress_line(paint: Styles, data: Frame) -> str:
    done = round(data["percent"] / 5)
    step = f" ({data['step']}/{data['steps']})" if data.get("steps") else ""
    bar = f"{'█' * done}{'░' * (20 - done)}"
    return paint("dim", f"{bar} {data['percent']:>5.1f}% {data['label']}{step}")


def what_would_run(data: Frame) -> str:
    """All of a call that a person decides about, with nothing hidden."""
    arguments = dict(data["arguments"])
    command = arguments.pop("command", None)
    lines = [with_visible_controls(command)] if isinstance(command, str) else []
    lines += [with_visible_controls(f"{name}: {to_json(value)}") for name, value in arguments.items()]
    return "\n".join([data["tool"], *("  " + line for text in lines for line in text.split("\n"))])


LINES: dict[str, Lines] = {
    "task_queued": lambda paint, data: f"{paint('bold', 'Task')} {data['content']}",
    "task_recovered": lambda paint, _: paint("yellow", "The task goes on after an interruption."),
    "task_retried": lambda paint, data: paint("yellow", f"Attempt {data['attempt']}, from {data['phase']} on."),
    "task_cancel_requested": lambda paint, _: paint("yellow", "The task is asked to stop."),
    "task_pause_requested": lambda paint, _: paint("yellow", "The task is asked to pause."),
    "task_paused": lambda paint, data: paint("yellow", f"Paused: {data['reason']}"),
    "task_resumed": lambda paint, _: paint("yellow", "The task goes on."),
    "phase_started": _phase_started,
    "phase_skipped": lambda paint, data: paint("dim", f"{data['phase']} skipped: {data['reason']}"),
    "phase_failed": lambda paint, data: paint("red", f"{data['phase']} failed: {data['error']['message']}"),
    "tool_requested": _tool_requested,
    "file_changed": _file_changed,
    "plan_step_updated": lambda _, data: f"  Step {data['step_id']}: {data['status']}",
    "model_retried": lambda paint, data: paint(
        "yellow", f"The model is asked again ({data['reason']}); what it said does not count."
    ),
    "model_fell_back": lambda paint, data: paint(
        "yellow", f"{data['to_model']} is asked in place of {data['from_model']} ({data['reason']})."
    ),
    "loop_noticed": lambda paint, data: paint("dim", data["message"]),
    "loop_paused": lambda paint, _: paint("yellow", "The agent gets nowhere: say what it should do."),
    "context_compacted": lambda paint, data: paint(
        "dim", f"{data['reason']} {len(data['dropped'])} older parts are dropped."
    ),
    "approval_resolved": _decided,
    "question_asked": _question,
    "question_answered": lambda paint, data: paint("yellow", f"{data['answered_by']}: {data['content']}"),
    "plan_resolved": _decided,
    "recovery_decision_requested": lambda paint, data: paint("yellow", data["unknown"]),
    "recovery_decision_resolved": _decided,
    "budget_warning": lambda paint, data: paint("yellow", data["message"]),
    "budget_exceeded": lambda paint, data: paint(
        "yellow", f"The budget of {data['allowed']} {data['limit']} is used up."
    ),
    "control_requested": lambda paint, data: paint("cyan", f"{data['user']} asks for control."),
    "control_changed": lambda paint, data: paint("cyan", f"{data['holder'] or 'Nobody'} holds control now."),
    "memory_recalled": _recalled,
    "memory_merged": _merged,
    "workspace_applied": _applied,
    "workspace_rewound": lambda paint, data: paint("yellow", f"Files and conversation are as at {data['to_seq']}."),
    "task_completed": _completed,
    "task_failed": lambda paint, data: f"\n{paint('bold red', 'Failed:')} {data['error']['message']}",
    "task_cancelled": lambda paint, _: "\n" + paint("bold yellow", "Cancelled."),
}
