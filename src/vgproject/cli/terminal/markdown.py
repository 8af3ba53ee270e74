"""Markdown as a terminal shows it."""

from collections.abc import Callable
from io import StringIO

from rich.console import Console
from rich.markdown import Markdown

from vgproject.cli.styles import Styles

MAX_WIDTH = 100
SYNTAX = frozenset("`*_#[]|>~=\n")


class MarkdownRenderer:
    """Called with Markdown, it answers with lines; ``columns`` tells how wide the terminal is now."""

    def __init__(self, paint: Styles, columns: Callable[[], int]) -> None:
        self._paint = paint
        self._columns = columns

    def __call__(self, text: str) -> str:
        if SYNTAX.isdisjoint(text.strip()):
            return text.strip("\n")
        console = Console(
            file=StringIO(),
            force_terminal=True,
            color_system="standard" if self._paint.coloured else None,
            width=min(self._columns(), MAX_WIDTH),
        )
        with console.capture() as captured:
            console.print(Markdown(text, hyperlinks=False, code_theme="ansi_dark"))
        return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))
