"""Colours of the terminal, where it has them."""

import sys
from io import TextIOWrapper

from rich.console import Console

SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Styles:
    """Called with names of styles and a text. Quick: a long log is painted by it, and rich takes fifty times as long."""

    def __init__(self, *, coloured: bool) -> None:
        self.coloured = coloured

    def __call__(self, names: str, text: str) -> str:
        if not self.coloured or not text:
            return text
        return f"\x1b[{';'.join(SGR[name] for name in names.split())}m{text}\x1b[0m"


def styles_of_stdout() -> Styles:
    """None in a pipe, with NO_COLOR and with TERM=dumb. What stdout cannot encode is replaced from now on."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    return Styles(coloured=console.color_system is not None and not console.no_color)
