"""How a session looks in a terminal: one pass over its frames, nothing is drawn over."""

import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape

from vgproject.utils.text import shorten, to_json, without_controls

Frame = dict[str, Any]
ENDS = {"task_completed": 0, "task_failed": 1, "task_cancelled": 1}


class LiveView:
    """Prints what `show` is given. Text that was streamed is not printed again with the event that ends it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._streamed: dict[str, int] = {}
        self._at_line_start = True
        self._shown: dict[str, Callable[[Frame, Frame], None]] = {
            "task_queued": lambda _, data: self._line(f"[bold]Task[/] {escape(data['content'])}"),
            "task_recovered": lambda _, data: self._line("[yellow]The task goes on after an interruption.[/]"),
            "phase_started": lambda _, data: self._line(
                f"\n[bold cyan]━━ {data['phase'].capitalize()}[/] [dim]{escape(data['model'])}[/]"
            ),
            "phase_skipped": lambda _, data: self._line(f"[dim]{data['phase']} skipped: {escape(data['reason'])}[/]"),
            "phase_failed": lambda _, data: self._line(
                f"[red]{data['phase']} failed: {escape(data['error']['message'])}[/]"
            ),
            "progress_update": self._progress,
            "agent_message": lambda _, data: self._text(data["message_id"], 0, data["text"]),
            "text_delta": lambda frame, _: self._text(frame["message_id"], frame["offset"], frame["text"]),
            "tool_output_delta": lambda frame, _: self._text(frame["tool_call_id"], frame["offset"], frame["text"]),
            "tool_requested": lambda _, data: self._line(
                f"[green]▸ {data['tool']}[/] [dim]{escape(shorten(json.dumps(data['arguments'], ensure_ascii=False), 160))}[/]"
            ),
            "tool_completed": self._tool_completed,
            "tool_failed": lambda _, data: self._line(f"  [red]✗ {escape(shorten(data['message'], 400))}[/]"),
            "file_changed": lambda _, data: self._line(
                f"  [blue]{data['change']}[/] {escape(data['path'])} [green]+{data['additions']}[/] [red]-{data['deletions']}[/]"
            ),
            "planning_complete": self._plan,
            "research_complete": lambda _, data: self._line(f"\n{escape(data['notes'])}"),
            "plan_step_updated": lambda _, data: self._line(f"  Step {escape(data['step_id'])}: {data['status']}"),
            "model_retried": lambda _, data: self._line(
                f"[yellow]The model is asked again ({escape(data['reason'])}); what it said does not count.[/]"
            ),
            "context_compacted": lambda _, data: self._line(
                f"[dim]{escape(data['reason'])} {len(data['dropped'])} older parts are dropped.[/]"
            ),
            "approval_requested": lambda _, data: self._line(f"[yellow]Needs approval: {escape(data['reason'])}[/]"),
            "approval_resolved": lambda _, data: self._line(
                f"[yellow]{data['decision']} by {escape(data['resolved_by'])}[/]"
            ),
            "question_asked": self._question,
            "question_answered": lambda _, data: self._line(
                f"[yellow]{escape(data['answered_by'])}: {escape(data['content'])}[/]"
            ),
            "plan_proposed": self._plan,
            "plan_resolved": lambda _, data: self._line(
                f"[yellow]{data['decision']} by {escape(data['resolved_by'])}[/]"
            ),
            "recovery_decision_requested": lambda _, data: self._line(f"[yellow]{escape(data['unknown'])}[/]"),
            "budget_warning": lambda _, data: self._line(f"[yellow]{escape(data['message'])}[/]"),
            "budget_exceeded": lambda _, data: self._line(
                f"[yellow]The budget of {data['allowed']} {data['limit']} is used up.[/]"
            ),
            "comment_added": lambda frame, data: self._line(
                f"[cyan]{escape(frame['actor']['id'])}: {escape(data['content'])}[/]"
            ),
            "control_requested": lambda _, data: self._line(f"[cyan]{escape(data['user'])} asks for control.[/]"),
            "control_changed": lambda _, data: self._line(
                f"[cyan]{escape(data['holder'] or 'Nobody')} holds control now.[/]"
            ),
            "memory_recalled": self._recalled,
            "memory_merged": self._merged,
            "implementation_complete": self._implemented,
            "task_completed": self._completed,
            "task_failed": lambda _, data: self._line(f"\n[bold red]Failed:[/] {escape(data['error']['message'])}"),
            "task_cancelled": lambda _, data: self._line("\n[bold yellow]Cancelled.[/]"),
        }

    def show(self, frame: Frame) -> None:
        if show := self._shown.get(frame["type"]):
            shown: Frame = _without_controls(frame)
            show(shown, shown.get("data", {}))

    def _line(self, markup: str) -> None:
        if not self._at_line_start:
            self._console.print()
        self._console.print(markup, highlight=False)
        self._at_line_start = True

    def _text(self, message_id: str, offset: int, text: str) -> None:
        new = text[max(self._streamed.get(message_id, 0) - offset, 0) :]
        if new:
            self._console.print(new, end="", markup=False, highlight=False, soft_wrap=True)
            self._streamed[message_id] = offset + len(text)
            self._at_line_start = new.endswith("\n")

    def _progress(self, _: Frame, data: Frame) -> None:
        done = round(data["percent"] / 5)
        step = f" ({data['step']}/{data['steps']})" if data.get("steps") else ""
        bar = f"{'█' * done}{'░' * (20 - done)}"
        self._line(f"[dim]{bar} {data['percent']:>5.1f}% {escape(data['label'])}{step}[/]")

    def _tool_completed(self, _: Frame, data: Frame) -> None:
        if data["tool_call_id"] in self._streamed:
            last = data["result"].rstrip().rpartition("\n")[2]
            self._line(f"  [dim]{escape(last)} {data['duration_ms']} ms[/]")
        else:
            first = shorten(data["result"].strip().replace("\n", " ⏎ "), 160)
            self._line(f"  [dim]✓ {data['tool']}: {escape(first)}[/]")

    def _plan(self, _: Frame, data: Frame) -> None:
        plan = data["plan"]
        self._line(f"\n[bold]Plan[/] {escape(plan['summary'])}")
        for step in plan["steps"]:
            self._line(f"  {escape(step['id'])}. {escape(step['title'])} [dim]{escape(', '.join(step['files']))}[/]")

    def _question(self, _: Frame, data: Frame) -> None:
        self._line(f"\n[bold yellow]? {escape(data['question'])}[/]")
        for number, choice in enumerate(data["choices"], start=1):
            self._line(f"  {number}. {escape(choice)}")

    def _recalled(self, _: Frame, data: Frame) -> None:
        self._line(f"[dim]Recalled {len(data['entries'])} entries of memory.[/]")
        for entry in data["entries"]:
            first = shorten(" ".join(entry["content"].split()), 120)
            self._line(f"  [dim]{escape(entry['kind'])}: {escape(first)} ({escape(entry['reason'])})[/]")

    def _merged(self, _: Frame, data: Frame) -> None:
        """The counts that older events do not have are left out, and so are zeros."""
        names = {"added": "new", "merged": "known", "superseded": "superseded", "conflicting": "conflicting"}
        counts = {told: len(data.get(name, ())) for name, told in names.items()} | {"refused": data.get("refused", 0)}
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name in ("new", "known"))
        self._line(f"[dim]Memory: {told}.[/]")
        if counts["conflicting"]:
            self._line("[yellow]What contradicts what is known needs your word: vgproject memory conflicts[/]")

    def _implemented(self, _: Frame, data: Frame) -> None:
        self._line(f"\n{escape(data['summary'])}")
        if tests := data.get("tests"):
            self._line(_tests(tests))

    def _completed(self, _: Frame, data: Frame) -> None:
        usage = data["usage"]
        cost = "of unknown price" if usage["cost_usd"] is None else f"${usage['cost_usd']:.4f}"
        tokens = usage["input_tokens"] + usage["output_tokens"]
        self._line(f"\n[bold green]Completed[/] [dim]{usage['requests']} model calls, {tokens} tokens, {cost}[/]")


def _tests(tests: Frame) -> str:
    """A run of the tests in one line."""
    verdict = "[green]passed[/]" if tests["passed"] else "[red]failed[/]"
    if not tests["passed"] and tests.get("failed_before"):
        verdict += " (as before the task)"
    where = " (found in the project)" if tests.get("found") else ""
    line = f"Tests: {escape(tests['command'])}{where}: {verdict}"
    if summary := tests.get("summary"):
        told = [(summary[name], name) for name in ("passed", "failed", "errors", "skipped")]
        line += ", " + ", ".join(f"{count} {name}" for count, name in told if count or name == "failed")
        if failing := summary["failing"]:
            line += f": {escape(shorten(', '.join(failing), 200))}"
    return line


class JsonView:
    """The native events, one a line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, frame: Frame) -> None:
        if "seq" in frame:
            self._console.out(to_json(frame), highlight=False)


def _without_controls(value: Any) -> Any:
    match value:
        case str():
            return without_controls(value)
        case dict():
            return {key: _without_controls(item) for key, item in value.items()}
        case list():
            return [_without_controls(item) for item in value]
        case _:
            return value
