"""A program of the user's own that goes on running and is spoken to line by line. It runs outside the sandbox."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from vgproject.errors import TooLargeError
from vgproject.utils.text import shorten

END_SECONDS = 2.0
"""What it gets to end by itself after its input is closed, and again after SIGTERM."""
ERROR_LINE_CHARACTERS = 2_000


class Program:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._output = process.stdout

    async def lines(self) -> AsyncIterator[bytes]:
        """What it prints, until it closes its output. Raises `TooLargeError` for a line that is too long."""
        while True:
            try:
                line = await self._output.readline()
            except ValueError as error:
                raise TooLargeError("It printed a line that is too long.") from error
            if not line:
                return
            yield line

    async def write(self, line: bytes) -> None:
        """Raises `OSError` where it does not read any more."""
        self._input.write(line)
        await self._input.drain()


@asynccontextmanager
async def open_program(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    on_error_line: Callable[[str], None],
    max_line_bytes: int,
) -> AsyncIterator[Program]:
    """Nothing of its process group is left afterwards. Raises `OSError` where it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=max_line_bytes,
        start_new_session=True,
    )
    assert process.stderr is not None
    complaints = asyncio.create_task(_tell(process.stderr, on_error_line), name="program's complaints")
    try:
        yield Program(process)
    finally:
        try:
            await _end(process)
        finally:
            _send(process, signal.SIGKILL)
            complaints.cancel()
            await asyncio.gather(complaints, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    # A program that cannot print does not end, and asyncio waits for the end of its output too.
    draining = asyncio.create_task(_drain(process.stdout), name="program's output")
    try:
        for number in (signal.SIGTERM, signal.SIGKILL, None):
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await process.wait()
                    return
            if number:
                _send(process, number)
    finally:
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def _tell(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    rest = ""
    while chunk := await stream.read(4096):
        *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
        for line in lines:
            on_line(shorten(line, ERROR_LINE_CHARACTERS))
        rest = rest[:ERROR_LINE_CHARACTERS]
    if rest:
        on_line(rest)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """To its whole group, which is there as long as anybody is in it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
