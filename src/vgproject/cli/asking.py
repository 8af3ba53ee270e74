"""Asking a person at a terminal that has no prompt of ours: a question, a line, until it is an answer."""

import asyncio
import os
import sys
from pathlib import Path

from vgproject.cli.answers import Command, Frame, answer_of, question_of


async def ask(asked_id: str, frame: Frame) -> Command | None:
    """``None`` where the terminal was closed (Ctrl-D). ``frame`` is the event that asks, under ``asked_id``."""
    while line := await _read_line(question_of(frame)):
        command = answer_of(asked_id, frame, line)
        if command and command["type"] == "resolve_plan" and command["decision"] != "approve":
            reason = (await _read_line("Why, and what instead: ")).strip()
            return {**command, "reason": reason} if reason else command
        if command:
            return command
    return None


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
