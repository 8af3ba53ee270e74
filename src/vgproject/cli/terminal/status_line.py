"""The status line: what matters most stays where the terminal is narrow."""

from datetime import datetime

from rich.cells import cell_len, set_cell_size

from vgproject.cli.terminal.state import SessionState, TaskState
from vgproject.cli.transcript import harmless

Part = tuple[str, str]
"""A style, as prompt_toolkit names it, and a text."""
BAR = 12
COLOURS = {"running": "class:running", "needs you": "class:needs", "paused": "class:needs", "failed": "class:failed"}


def status_lines(state: SessionState, now: datetime, width: int) -> list[Part]:
    """Two lines of at most ``width`` cells, which is one less than the terminal has: a full one would wrap."""
    task = state.task
    first = [*_connection(state), (COLOURS.get(state.status, ""), state.status)]
    if task and task.phases:
        first.append(("", _phases(task)))
    first.append(("bold", harmless(state.title)))
    second = _progress(task, now) if task else [("", "Nothing runs.")]
    return [*_fit(first, width), ("", "\n"), *_fit(second, width)]


def _connection(state: SessionState) -> list[Part]:
    match state.connection:
        case "connecting":
            return [("class:lost", "connecting")]
        case "catching up":
            return [("class:needs", f"catching up {state.missing} events")]
        case "lost":
            return [("class:lost", "connection lost, trying again")]
        case "live":
            return []


def _phases(task: TaskState) -> str:
    return " ▸ ".join(f"[{phase}]" if phase == task.phase else phase for phase in task.phases)


def _progress(task: TaskState, now: datetime) -> list[Part]:
    done = round(task.percent / 100 * BAR)
    bar = f"{'█' * done}{'░' * (BAR - done)} {task.percent:.0f}%"
    label = f"{harmless(task.label)} ({task.step})" if task.step else harmless(task.label)
    minutes, seconds = divmod(int(task.seconds(now)), 60)
    cost = "" if task.cost_usd is None else f"${task.cost_usd:.4f}"
    told = [("class:bar", bar), ("", f"{minutes}:{seconds:02}"), ("", cost), ("", _count(task.tokens)), ("", label)]
    return [part for part in told if part[1]]


def _count(tokens: int) -> str:
    if not tokens:
        return ""
    return f"{tokens} tokens" if tokens < 10_000 else f"{tokens / 1000:.0f}k tokens"


def _fit(parts: list[Part], width: int) -> list[Part]:
    """The first parts that have room; the last one of them is cut where it has too little."""
    fitting: list[Part] = []
    for style, text in parts:
        separator = " · " if fitting else ""
        room = width - sum(cell_len(part) for _, part in fitting) - len(separator)
        if room < min(cell_len(text), 8):
            break
        shown = text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"
        fitting += [("", separator), (style, shown)] if separator else [(style, shown)]
    return fitting
