"""What a session's frames say, as finished lines: nothing is said twice, and nothing is drawn over."""

from collections.abc import Callable, Iterator
from typing import Any

from vgproject.cli.event_lines import LINES, Frame, plan_lines, progress_line, tests_line, what_would_run
from vgproject.cli.styles import Styles
from vgproject.cli.unfinished import Unfinished
from vgproject.utils.text import only_colours, shorten, without_escapes

Markdown = Callable[[str], str]


class Transcript:
    """``lines`` of each frame in its order. What a command printed is harmless in them: it moves no cursor."""

    def __init__(self, paint: Styles, *, markdown: Markdown | None = None, progress: bool = True) -> None:
        """``markdown`` renders what agents write; without it, it stays as it is, line by line."""
        self._paint = paint
        self._markdown = markdown
        self._progress = progress
        self._unfinished = Unfinished(by_blocks=markdown is not None)
        self.plain_until = 0
        """Up to this seq Markdown stays as it is: rendering a long log would take seconds."""
        self._plan_shown: Frame | None = None
        self._special: dict[str, Callable[[Frame, Frame], Iterator[str]]] = {
            "text_delta": self._text_delta,
            "tool_output_delta": self._output_delta,
            "agent_message": self._agent_message,
            "user_message": lambda frame, data: self._said(frame, data["text"], "bold"),
            "comment_added": lambda frame, data: self._said(frame, data["content"], "cyan"),
            "reasoning": self._reasoning,
            "tool_completed": self._tool_completed,
            "tool_failed": self._tool_failed,
            "approval_requested": self._approval,
            "progress_update": self._progress_update,
            "plan_proposed": self._plan,
            "planning_complete": self._plan,
            "research_complete": lambda frame, data: self._prose(data["notes"], frame),
            "implementation_complete": self._implemented,
        }

    @property
    def tail(self) -> str:
        """The text on its way that is no line yet."""
        return without_escapes(self._unfinished.tail)

    def lines(self, frame: Frame) -> list[str]:
        kind = frame["type"]
        if special := self._special.get(kind):
            return list(special(frame, frame.get("data", {})))
        if kind in ("model_retried", "model_fell_back"):
            self._unfinished.drop(frame["data"].get("message_id") or "")
        if kind in ("task_recovered", "task_completed", "task_failed", "task_cancelled"):
            self._unfinished.drop_all()
        if (told := LINES.get(kind)) and (text := told(self._paint, harmless(frame["data"]))):
            return [text]
        return []

    def _text_delta(self, frame: Frame, _: Frame) -> Iterator[str]:
        pieces = self._unfinished.add(frame["message_id"], frame["offset"], frame["text"], is_message=True)
        return (self._render(piece.text, frame) for piece in pieces)

    def _output_delta(self, frame: Frame, _: Frame) -> Iterator[str]:
        pieces = self._unfinished.add(frame["tool_call_id"], frame["offset"], frame["text"], is_message=False)
        return (self._output(piece.text) for piece in pieces)

    def _agent_message(self, frame: Frame, data: Frame) -> Iterator[str]:
        return (self._render(piece.text, frame) for piece in self._unfinished.end(data["message_id"], data["text"]))

    def _render(self, text: str, frame: Frame) -> str:
        shown: str = harmless(text)
        is_old = 0 < frame.get("seq", 0) <= self.plain_until
        return shown if self._markdown is None or is_old else self._markdown(shown)

    def _prose(self, text: str, frame: Frame) -> Iterator[str]:
        yield "\n" + self._render(text, frame)

    def _said(self, frame: Frame, text: str, style: str) -> Iterator[str]:
        who = harmless(frame.get("actor", {}).get("id", ""))
        yield f"{self._paint(style, f'{who}:')} {harmless(text)}"

    def _reasoning(self, _: Frame, data: Frame) -> Iterator[str]:
        yield self._paint("dim", f"… {shorten(' '.join(harmless(data['text']).split()), 160)}")

    def _output(self, text: str) -> str:
        """Of a line that is drawn over, as a progress bar is, what stands there at the end."""
        lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
        shown = (only_colours(line) if self._paint.coloured else without_escapes(line) for line in lines)
        return "\n".join(f"{line}\x1b[0m" if "\x1b" in line else line for line in shown)

    def _tool_completed(self, _: Frame, data: Frame) -> Iterator[str]:
        if self._unfinished.has(data["tool_call_id"]):
            yield from (self._output(piece.text) for piece in self._unfinished.end(data["tool_call_id"]))
            last = harmless(data["result"].rstrip().rpartition("\n")[2])
            yield "  " + self._paint("dim", f"{last} {data['duration_ms']} ms")
        else:
            first = shorten(harmless(data["result"][:800]).strip().replace("\n", " ⏎ "), 160)
            yield "  " + self._paint("dim", f"✓ {data['tool']}: {first}")

    def _tool_failed(self, _: Frame, data: Frame) -> Iterator[str]:
        yield from (self._output(piece.text) for piece in self._unfinished.end(data["tool_call_id"]))
        yield "  " + self._paint("red", f"✗ {shorten(harmless(data['message']), 400)}")

    def _approval(self, _: Frame, data: Frame) -> Iterator[str]:
        yield self._paint("yellow", f"Needs approval: {harmless(data['reason'])}") + f"\n  {what_would_run(data)}"

    def _plan(self, _: Frame, data: Frame) -> Iterator[str]:
        """One that was followed as it was proposed is shown once."""
        if data["plan"] != self._plan_shown:
            self._plan_shown = data["plan"]
            yield plan_lines(self._paint, harmless(data))

    def _progress_update(self, _: Frame, data: Frame) -> Iterator[str]:
        if self._progress:
            yield progress_line(self._paint, harmless(data))

    def _implemented(self, frame: Frame, data: Frame) -> Iterator[str]:
        yield from self._prose(data["summary"], frame)
        if tests := data.get("tests"):
            yield tests_line(self._paint, harmless(tests))


def harmless(value: Any) -> Any:
    match value:
        case str():
            return value if value.isprintable() else without_escapes(value)
        case dict():
            return {key: harmless(item) for key, item in value.items()}
        case list():
            return [harmless(item) for item in value]
        case _:
            return value
