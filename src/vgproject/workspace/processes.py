"""Runs a command to its end, whatever the command does."""

import asyncio
import codecs
import errno
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vgproject.errors import WorkspaceError
from vgproject.workspace import supervisor
from vgproject.workspace.sandbox.base import Launch

MARKER = "VGPROJECT_COMMAND"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TERM")
MAX_OUTPUT_BYTES = 5_000_000
CHUNK_BYTES = 64 * 1024
END_SECONDS = 12
"""A little more than the supervisor takes at most to end everything."""

Reason = Literal["exit", "timeout", "output_limit", "oom", "disk_limit", "killed"]


@dataclass(frozen=True)
class CommandResult:
    """``exit_code`` only where the command ended by itself; one that a signal killed has 128 and its number."""

    exit_code: int | None
    reason: Reason
    content: bytes

    @property
    def output(self) -> str:
        return self.content.decode(errors="replace")


async def run_command(
    launch: Launch,
    *,
    cwd: Path,
    environment: dict[str, str],
    marker: str,
    timeout_seconds: float | None,
    on_output: Callable[[str], None],
    watch: Callable[[int], Awaitable[Reason]],
    max_output_bytes: int | None = MAX_OUTPUT_BYTES,
) -> CommandResult:
    """Run ``launch`` without input. Nothing that it started is left when this returns or is cancelled.

    ``watch`` is given the process's id and returns why the command has to end. With no ``max_output_bytes`` the command
    may print for ever, and the result has nothing of it.
    Raises `WorkspaceError` (``command_too_long``, ``command_failed``) where it cannot be started.
    """
    process = await _start(launch, cwd=cwd, environment={**environment, **launch.environment, MARKER: marker})
    assert process.stderr is not None
    output = Output(process, on_output, max_output_bytes)
    reading = asyncio.create_task(output.read())
    ending = asyncio.create_task(process.stderr.read())  # Only the supervisor holds it: its end is the supervisor's.
    watching = asyncio.ensure_future(watch(process.pid))
    reason: Reason = "exit"
    try:
        async with asyncio.timeout(timeout_seconds):
            reason = await _reason_to_end(reading, ending, watching)
    except TimeoutError:
        reason = "timeout"
    finally:
        watching.cancel()
        await _end(process, marker, reading, ending)
    if reason != "exit":
        return CommandResult(None, reason, output.content())
    return _result(ending.result(), output.content())


async def _reason_to_end(
    reading: asyncio.Task[bool], ending: asyncio.Task[bytes], watching: asyncio.Future[Reason]
) -> Reason:
    """``exit`` when the command has ended by itself and all that it printed is read."""
    waiting: set[asyncio.Future[Any]] = {reading, ending, watching}
    while True:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            return watching.result()
        if reading.done() and not reading.result():
            return "output_limit"
        if ending.done() and (reading.done() or not ending.result()):
            return "exit"
        waiting -= {future for future in (reading, ending) if future.done()}


def _result(status: bytes, content: bytes) -> CommandResult:
    if not status.lstrip(b"-").isdigit():
        return CommandResult(None, "killed", content)
    code = int(status)
    return CommandResult(code, "exit", content) if code >= 0 else CommandResult(128 - code, "killed", content)


async def _start(launch: Launch, *, cwd: Path, environment: dict[str, str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", supervisor.__file__, *launch.argv),
            cwd=cwd,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=launch.descriptors,
            start_new_session=True,
        )
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise WorkspaceError(
                "The command is too long: write a script with write_file, and run that.", code="command_too_long"
            ) from error
        raise WorkspaceError(f"The command cannot be started: {error.strerror}.", code="command_failed") from error


async def _end(
    process: asyncio.subprocess.Process, marker: str, reading: asyncio.Task[bool], ending: asyncio.Task[bytes]
) -> None:
    """Have the supervisor end everything; do it ourselves where it is gone."""
    assert process.stdin is not None
    process.stdin.close()
    reading.cancel()
    await asyncio.wait({reading})
    draining = asyncio.create_task(_drain(process))
    await asyncio.wait({ending}, timeout=END_SECONDS)
    if not ending.done() or not ending.result():
        await asyncio.to_thread(_kill_marked, marker)
        with suppress(ProcessLookupError):
            process.kill()
    # It waits for the end of the pipes too, which a process that cannot be killed may hold.
    await asyncio.wait({waiting := asyncio.create_task(process.wait())}, timeout=END_SECONDS)
    waiting.cancel()
    draining.cancel()
    ending.cancel()


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(CHUNK_BYTES):
        pass


class Output:
    def __init__(
        self, process: asyncio.subprocess.Process, on_output: Callable[[str], None], max_bytes: int | None
    ) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        self._on_output = on_output
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []

    async def read(self) -> bool:
        """Returns true at the end of the stream, false when there is too much of it."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        room = self._max_bytes
        while chunk := await self._stream.read(CHUNK_BYTES):
            if text := decoder.decode(chunk[:room]):
                self._on_output(text)
            if room is not None:
                self._chunks.append(chunk[:room])
                if len(chunk) > room:
                    return False
                room -= len(chunk)
        return True

    def content(self) -> bytes:
        return b"".join(self._chunks)


def clean_environment(environ: dict[str, str], home: Path) -> dict[str, str]:
    """What a command may see: nothing that could be a secret."""
    return {name: environ[name] for name in PASSED_ON if name in environ} | {"HOME": str(home)}


def _kill_marked(marker: str) -> None:
    """For a command that killed its supervisor: end all that has its marker, until there is none."""
    wanted = f"{MARKER}={marker}".encode()
    found = True
    while found:
        found = False
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted in (directory / "environ").read_bytes().split(b"\0"):
                    os.kill(int(directory.name), signal.SIGKILL)
                    found = True
