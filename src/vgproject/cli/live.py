"""How a session looks where nobody types: lines for people, or native events."""

import sys
from collections.abc import Callable

from vgproject.cli.event_lines import Frame
from vgproject.cli.styles import styles_of_stdout
from vgproject.cli.transcript import Transcript
from vgproject.utils.text import to_json

ENDS = {"task_completed": 0, "task_failed": 1, "task_cancelled": 1}
Print = Callable[[str], object]


def print_line(text: str) -> None:
    """At once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class LiveView:
    """Prints what `show` is given. Text that was streamed is not printed again with the event that ends it."""

    def __init__(self, transcript: Transcript, write: Print = print_line) -> None:
        self._transcript = transcript
        self._write = write

    def show(self, frame: Frame) -> None:
        for line in self._transcript.lines(frame):
            self._write(line)


class JsonView:
    """The native events, one a line."""

    def __init__(self, write: Print = print_line) -> None:
        self._write = write

    def show(self, frame: Frame) -> None:
        if "seq" in frame:
            self._write(to_json(frame))


def create_view(*, as_json: bool) -> LiveView | JsonView:
    return JsonView() if as_json else LiveView(Transcript(styles_of_stdout()))
