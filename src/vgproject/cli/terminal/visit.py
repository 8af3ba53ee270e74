"""A visit to a session at a terminal: what happens is shown, what is typed is done, until the person leaves."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from vgproject.cli.client import Client
from vgproject.cli.event_lines import Frame
from vgproject.cli.follow import INTERRUPTED, NEEDS_ANSWER
from vgproject.cli.live import ENDS
from vgproject.cli.styles import styles_of_stdout
from vgproject.cli.terminal.completion import OrderCompleter
from vgproject.cli.terminal.dock import dock_parts, prompt_of
from vgproject.cli.terminal.markdown import MarkdownRenderer
from vgproject.cli.terminal.orders import Orders
from vgproject.cli.terminal.screen import Screen
from vgproject.cli.terminal.state import SessionState
from vgproject.cli.terminal.status_line import status_lines
from vgproject.cli.transcript import Transcript, harmless
from vgproject.errors import VgprojectError

RENDERED = 300
"""So many of the last events have their Markdown rendered; before them it stays as it was written."""
MAX_TYPED = 100


async def visit(client: Client, session_id: str, *, home: Path, until_idle: bool) -> int:
    """The exit code. ``home`` keeps what was typed; ``until_idle``: it ends with the session's last open task."""
    return await Visit(client, session_id, home).run(until_idle=until_idle)


class Visit:
    def __init__(self, client: Client, session_id: str, home: Path) -> None:
        self._client = client
        self._state = SessionState(session_id)
        paint = styles_of_stdout()
        self._typed: asyncio.Queue[str] = asyncio.Queue(MAX_TYPED)
        self._screen = Screen(
            tail=lambda: self._transcript.tail,
            dock=lambda: dock_parts(self._state),
            status=lambda columns: status_lines(self._state, datetime.now(UTC), columns),
            prompt=lambda: prompt_of(self._state),
            completer=OrderCompleter(self._state),
            history=home / "history",
            coloured=paint.coloured,
            on_text=self._enter,
        )
        markdown = MarkdownRenderer(paint, lambda: self._screen.columns)
        self._transcript = Transcript(paint, markdown=markdown, progress=False)
        self._paint = paint
        self._orders = Orders(
            client, self._state, paint, say=self._say, edit=self._screen.edit, leave=self._screen.close
        )

    async def run(self, *, until_idle: bool) -> int:
        screen = asyncio.create_task(self._screen.run(), name="terminal")
        following = asyncio.create_task(self._follow(until_idle=until_idle), name="terminal's events")
        obeying = asyncio.create_task(self._obey(), name="terminal's orders")
        try:
            await asyncio.wait([screen, following, obeying], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._screen.close()
            following.cancel()
            obeying.cancel()
            await asyncio.wait([screen, following, obeying])
        for task in (screen, following, obeying):
            if not task.cancelled():
                task.result()
        return self._exit_code()

    def _exit_code(self) -> int:
        state = self._state
        if state.questions:
            return NEEDS_ANSWER
        if state.is_busy:
            return INTERRUPTED
        return ENDS.get(f"task_{state.status}", 0)

    async def _follow(self, *, until_idle: bool) -> None:
        async for frames in self._client.follow_batches(self._state.session_id, on_loss=self._lose):
            self._show(frames)
            if until_idle and self._state.connection == "live" and self._state.tasks and not self._state.is_busy:
                return

    def _show(self, frames: list[Frame]) -> None:
        lines: list[str] = []
        for frame in frames:
            self._state.take(frame)
            if frame["type"] == "subscribed":
                self._transcript.plain_until = frame["head_seq"] - RENDERED
            lines += self._transcript.lines(frame)
        self._screen.show(lines)

    def _lose(self) -> None:
        self._state.lose()
        self._screen.show([])

    def _say(self, text: str) -> None:
        self._screen.show([text])

    def _enter(self, text: str) -> None:
        if text in ("/detach", "/quit"):
            self._screen.close()
            return
        try:
            self._typed.put_nowait(text)
        except asyncio.QueueFull:
            self._screen.put_back(text)

    async def _obey(self) -> None:
        """In the order in which it was typed."""
        while True:
            text = await self._typed.get()
            try:
                await self._orders.obey(text)
            except VgprojectError as error:
                self._say(self._paint("red", harmless(error.message)))
                if error.code == "no_server":
                    self._screen.put_back(text)
