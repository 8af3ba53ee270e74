"""Following a task to its end in a terminal, and answering what it asks."""

import sys
from typing import Any, Protocol

from vgproject.cli.answers import with_resume
from vgproject.cli.asking import ask
from vgproject.cli.client import Client
from vgproject.cli.live import ENDS
from vgproject.errors import VgprojectError
from vgproject.repositories.event_store import ASKS, BUDGET, PAUSES, SETTLES

NEEDS_ANSWER = 3
INTERRUPTED = 130


class View(Protocol):
    def show(self, frame: dict[str, Any]) -> None: ...


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
        if frame["type"] in ASKS or frame["type"] in PAUSES:
            asked[question_id(frame)] = frame
        elif frame["type"] in SETTLES or frame["type"] == "task_resumed":
            asked.pop(question_id(frame), None)
        if asked and frame.get("seq", 0) >= head_seq and not await _answer(client, session_id, asked):
            return NEEDS_ANSWER
    raise AssertionError("following has no end")


def question_id(frame: dict[str, Any]) -> str:
    """By which an event that asks, and the one that settles it, name the same question."""
    field = ASKS.get(frame["type"]) or SETTLES.get(frame["type"])
    return str(frame["data"][field]) if field else BUDGET


async def _answer(client: Client, session_id: str, asked: dict[str, dict[str, Any]]) -> bool:
    """Ask the person at this terminal; false where there is none."""
    if not sys.stdin.isatty():
        sys.stderr.write(
            "The task needs an answer, and nobody is at this terminal: use --yes, or answer in a terminal with"
            f" `vgproject attach {session_id}`.\n"
        )
        return False
    command = await ask(*asked.popitem())
    if command is None:
        return False
    try:
        for said in with_resume(command):
            await client.command(session_id, **said)
    except VgprojectError as error:
        if error.code not in ("already_resolved", "not_waiting"):
            raise
    return True
