"""``replay``: a session run again from its recorded model replies, and where it now differs."""

import asyncio
import difflib
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from vgproject.cli.client import Client
from vgproject.cli.differences import Difference
from vgproject.cli.recording import RecordedSession, load_recording
from vgproject.cli.rerun import Rerun, run_again
from vgproject.cli.tasks import open_server
from vgproject.config import load_config
from vgproject.utils.text import first_line, shorten, to_json

SHOWN_LINES = 20


def replay(session_id: str, options: dict[str, Any], *, task_id: str | None, server: str | None, as_json: bool) -> int:
    """0 where nothing differs, 1 where something does."""
    return asyncio.run(_replay(session_id, options, task_id=task_id, server=server, as_json=as_json))


async def _replay(
    session_id: str, options: dict[str, Any], *, task_id: str | None, server: str | None, as_json: bool
) -> int:
    async with open_server(load_config(options), server) as address:
        recording = await load_recording(Client(address), session_id, task_id)
    loaded = load_config({**options, "project": Path(recording.project)})
    with tempfile.TemporaryDirectory(prefix="vgproject-replay-") as directory:
        reruns = await run_again(recording, loaded, Path(directory))
    shown = [rerun for rerun in reruns if task_id in (None, rerun.task.task_id)]
    if as_json:
        print(to_json(_as_json(recording, shown), indent=2))
    else:
        _print(recording, shown)
    return int(any(_differs(rerun) for rerun in shown))


def _differs(rerun: Rerun) -> bool:
    return bool(rerun.differences or rerun.changed)


def _as_json(recording: RecordedSession, reruns: list[Rerun]) -> dict[str, Any]:
    return {
        "session_id": recording.session_id,
        "commit": recording.commit,
        "differs": any(_differs(rerun) for rerun in reruns),
        "tasks": [
            {
                "task_id": rerun.task.task_id,
                "content": rerun.task.request.content,
                "model_calls": len(rerun.task.turns),
                "changed_request": (
                    {"thread_id": rerun.changed.thread_id, "turn": rerun.changed.turn} if rerun.changed else None
                ),
                "differences": [vars(difference) for difference in rerun.differences],
            }
            for rerun in reruns
        ],
    }


def _print(recording: RecordedSession, reruns: list[Rerun]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if recording.commit is None:
        console.print(
            "[yellow]The session did not begin at a commit: it is run on the project's files as they are now.[/]"
        )
    for rerun in reruns:
        end = "differs" if _differs(rerun) else "the same"
        console.print(
            f"[bold]{escape(first_line(rerun.task.request.content))}[/] "
            f"[dim]{rerun.task.task_id}, {len(rerun.task.turns)} recorded model calls[/]: {end}"
        )
        if rerun.changed:
            console.print(
                f"  [yellow]From turn {rerun.changed.turn + 1} of {rerun.changed.thread_id} on, the model was asked something"
                " else than recorded; it went on with its recorded replies.[/]"
            )
        for difference in rerun.differences:
            _print_difference(console, difference)


def _print_difference(console: Console, difference: Difference) -> None:
    if difference.then is None or difference.now is None:
        side, value = ("now", difference.now) if difference.then is None else ("then", difference.then)
        text = shorten(to_json(value), 400)
        console.print(f"  [red]only {side}:[/] {escape(difference.what)}: {escape(text)}")
        return
    console.print(f"  [red]other:[/] {escape(difference.what)}")
    lines = list(difflib.unified_diff(_lines(difference.then), _lines(difference.now), "then", "now", n=1, lineterm=""))
    for line in lines[:SHOWN_LINES]:
        console.print(f"    {escape(shorten(line, 200))}")
    if len(lines) > SHOWN_LINES:
        console.print(f"    [dim]… {len(lines) - SHOWN_LINES} lines more; --json has all.[/]")


def _lines(value: Any) -> list[str]:
    """As JSON with its texts laid out line by line, for reading, not for parsing."""
    return to_json(value, indent=2).replace("\\n", "\n").split("\n")
