"""A terminal with a screen that can be read, and a program that runs in it."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

from programs import Program

LIMIT_SECONDS = 60


class Terminal:
    """``shown`` is what its user sees, with all that was scrolled away."""

    def __init__(self, program: Program, master: int, columns: int, rows: int) -> None:
        self.program = program
        self._master = master
        self._screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = bytearray()
        """All that the program wrote."""

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)
        self.program.send_signal(signal.SIGWINCH)

    @property
    def shown(self) -> str:
        history = [
            "".join(line[column].data for column in range(self._screen.columns)) for line in self._screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*history, *self._screen.display])

    @property
    def title(self) -> str:
        return self._screen.title

    @property
    def last_lines(self) -> list[str]:
        """What is on the screen now, without empty lines."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def wait_for(self, *texts: str) -> str:
        """Until all of them are shown; what is shown then."""
        end = time.monotonic() + LIMIT_SECONDS
        while not all(text in (shown := self.shown) for text in texts):
            assert time.monotonic() < end, f"{texts} is not there:\n{shown}"
            assert self._read(end - time.monotonic()), f"it ended without {texts}:\n{shown}"
        return shown

    def wait_without(self, text: str) -> None:
        end = time.monotonic() + LIMIT_SECONDS
        while any(text in line for line in self.last_lines):
            assert time.monotonic() < end, f"{text} is still there:\n{self.shown}"
            assert self._read(end - time.monotonic())

    def wait_for_end(self) -> int:
        """The exit code."""
        end = time.monotonic() + LIMIT_SECONDS
        while self._read(end - time.monotonic()):
            assert time.monotonic() < end, f"it does not end:\n{self.shown}"
        return self.program.wait(LIMIT_SECONDS)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], max(seconds, 0))[0]:
            return True
        try:
            read = os.read(self._master, 65536)
        except OSError:  # Linux says EIO where the other end is closed.
            return False
        self.raw += read
        self._stream.feed(read)
        return bool(read)


@contextmanager
def open_terminal(
    words: Sequence[str], *, cwd: Path, environment: Mapping[str, str], columns: int = 100, rows: int = 40
) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
    program = Program(*words, cwd=cwd, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        yield Terminal(program, master, columns, rows)
    finally:
        if program.poll() is None:
            program.kill()
        program.wait()
        os.close(master)
