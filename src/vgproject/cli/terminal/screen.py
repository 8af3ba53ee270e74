"""The lower end of the terminal: text on its way, what is asked, the status line, the prompt. Above it is scroll-back."""

import sys
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, is_done
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import ConditionalContainer, Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, UIControl
from prompt_toolkit.layout.menus import CompletionsMenuControl
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from vgproject.cli.terminal.dock import LEAVING
from vgproject.cli.terminal.status_line import Part

STYLE = Style.from_dict(
    {
        "running": "ansigreen",
        "needs": "ansiyellow",
        "failed": "ansired",
        "lost": "ansired bold",
        "bar": "ansicyan",
        "keys": "italic",
        "tail": "",
        "prompt": "bold",
    }
)
TAIL_LINES = 4
Parts = Callable[[], list[Part]]


class Screen:
    """`show` puts finished lines above; `run` takes what is typed until the person leaves or `close` is called."""

    def __init__(
        self,
        *,
        tail: Callable[[], str],
        dock: Parts,
        status: Callable[[int], list[Part]],
        prompt: Callable[[], str],
        completer: Completer,
        history: Path,
        coloured: bool,
        on_text: Callable[[str], None],
    ) -> None:
        """``status`` is told how many columns it has; ``on_text`` is called with each line that is entered."""
        self._tail = tail
        self._dock = dock
        self._status = status
        self._prompt = prompt
        self._on_text = on_text
        self._is_leaving = False
        self._held: list[str] | None = []
        """Lines that cannot be shown now: the screen is not there yet, or an editor has the terminal."""
        self._buffer = Buffer(
            history=open_history(history),
            completer=completer,
            complete_while_typing=True,
            multiline=False,
            accept_handler=self._accept,
        )
        # It is never asked where its cursor is: a slow line would hold up what is shown.
        output = Vt100_Output.from_pty(sys.stdout)
        output.enable_cpr = False
        self._app: Application[None] = Application(
            layout=Layout(self._layout()),
            key_bindings=self._keys(),
            style=STYLE,
            color_depth=None if coloured else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            refresh_interval=1.0,
            output=output,
        )

    @property
    def columns(self) -> int:
        return self._app.output.get_size().columns

    async def run(self) -> None:
        with patch_stdout(raw=True):
            try:
                await self._app.run_async(pre_run=self._release)
            except EOFError:
                pass  # The terminal was closed.
            finally:
                self._held = None

    def close(self) -> None:
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    def show(self, lines: list[str]) -> None:
        """Finished lines, each once; without any only what is below is drawn anew."""
        if lines and self._held is not None:
            self._held += lines
        elif lines:
            self._write("".join(f"{line}\n" for line in lines))
        self._app.invalidate()

    def _write(self, text: str) -> None:
        """Above the prompt. The terminal stays as it is set for typing, so that no key is echoed in between."""
        if self._app.is_running:
            self._app.renderer.erase()
        self._app.output.write_raw(text)
        self._app.output.flush()

    def _release(self) -> None:
        held, self._held = self._held or [], None
        self.show(held)

    def put_back(self, text: str) -> None:
        """What could not be sent, where nothing else was typed since."""
        if not self._buffer.text:
            self._buffer.document = Document(text)

    async def edit(self, text: str) -> str | None:
        """In the person's editor; ``None`` where nothing was changed or the editor failed."""
        draft = Buffer(document=Document(text), tempfile_suffix=".json")
        self._held = []
        try:
            await draft.open_in_editor()
        finally:
            self._release()
        return draft.text if draft.text != text else None

    def _accept(self, buffer: Buffer) -> bool:
        if text := buffer.text.rstrip():
            self._on_text(text)
        return False

    def _layout(self) -> HSplit:
        return HSplit(
            [
                _shown_while(self._tail_lines, _window(self._tail_lines, style="class:tail")),
                _shown_while(self._dock, _window(self._dock)),
                ConditionalContainer(
                    _window(lambda: [("class:needs bold", LEAVING)]), Condition(lambda: self._is_leaving)
                ),
                _window(lambda: self._status(self.columns - 1), wrap=False),
                Window(
                    BufferControl(
                        self._buffer, input_processors=[BeforeInput(lambda: [("class:prompt", self._prompt())])]
                    ),
                    wrap_lines=True,
                    dont_extend_height=True,
                    height=Dimension(min=1, max=8),
                ),
                ConditionalContainer(
                    _lines(CompletionsMenuControl(), height=Dimension(min=1, max=6)), has_completions & ~is_done
                ),
            ]
        )

    def _tail_lines(self) -> list[Part]:
        room = TAIL_LINES * self.columns
        lines = self._tail()[-room:].expandtabs(4).split("\n")[-TAIL_LINES:]
        return [("class:tail", "\n".join(lines))] if any(lines) else []

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        leaving = Condition(lambda: self._is_leaving)

        @keys.add("c-c")
        @keys.add("<sigint>")
        def _interrupt(event: KeyPressEvent) -> None:
            if self._is_leaving:
                event.app.exit()
            self._is_leaving = True

        @keys.add("c-d", filter=Condition(lambda: not self._buffer.text))
        @keys.add("d", filter=leaving)
        def _detach(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("s", filter=leaving)
        def _stop(_: KeyPressEvent) -> None:
            self._is_leaving = False
            self._on_text("/stop")

        @keys.add("g", filter=leaving)
        @keys.add("enter", filter=leaving)
        @keys.add("escape", filter=leaving, eager=True)
        def _go_on(_: KeyPressEvent) -> None:
            self._is_leaving = False

        @keys.add("c-z")
        def _suspend(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        return keys


def _window(parts: Parts, *, style: str = "", wrap: bool = True) -> Window:
    return _lines(FormattedTextControl(lambda: FormattedText(parts())), style=style, wrap=wrap)


def _lines(control: UIControl, *, height: Dimension | None = None, style: str = "", wrap: bool = False) -> Window:
    return Window(control, height=height, style=style, wrap_lines=wrap, dont_extend_height=True)


def _shown_while(parts: Parts, window: Window) -> ConditionalContainer:
    return ConditionalContainer(window, Condition(lambda: bool(parts())) & ~is_done)


def open_history(path: Path) -> History:
    """What was typed before, readable by its owner only; without a file for it, of this time alone."""
    try:
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
