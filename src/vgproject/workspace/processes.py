"""Runs a command to its end, whatever the command does."""

import asyncio
import codecs
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vgproject.workspace.sandbox.base import Launch

MARKER = "VGPROJECT_COMMAND"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TERM")
MAX_OUTPUT_CHARACTERS = 5_000_000

Reason = Literal["exit", "timeout", "output_limit", "oom", "disk_limit"]


@dataclass(frozen=True)
class CommandResult:
    exit_code: int | None
    reason: Reason
    output: str


async def run_command(
    launch: Launch,
    *,
    cwd: Path,
    environment: dict[str, str],
    marker: str,
    timeout_seconds: float,
    on_output: Callable[[str], None],
    watch: Callable[[int], Awaitable[Reason]],
) -> CommandResult:
    """Run ``launch`` without input. Nothing that it started is left when this returns or is cancelled.

    ``watch`` is given the process's id and returns why the command has to end. A box ends with the thread that
    started it, so this is awaited on the event loop's thread.
    """
    process = await asyncio.create_subprocess_exec(
        *launch.argv,
        cwd=cwd,
        env={**environment, **launch.environment, MARKER: marker},
        pass_fds=launch.descriptors,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    output = Output(process, on_output)
    reason: Reason = "exit"
    reading = asyncio.create_task(output.read())
    watching = asyncio.ensure_future(watch(process.pid))
    try:
        async with asyncio.timeout(timeout_seconds):
            ended = asyncio.create_task(process.wait())
            over: set[asyncio.Future[Any]] = {reading, ended, watching}
            while not ended.done() and reason == "exit":
                await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
                if reading in over and reading.done():
                    over.remove(reading)
                    reason = "exit" if reading.result() else "output_limit"
                elif watching.done():
                    reason = watching.result()
            _kill_tree(process.pid, marker)
            if reason == "output_limit":
                # asyncio tells of the end only when all that was printed has been read.
                reading = asyncio.create_task(output.drain())
            await ended
    except TimeoutError:
        reason = "timeout"
    finally:
        watching.cancel()
        _kill_tree(process.pid, marker)
        await process.wait()
        await asyncio.wait({reading}, timeout=1)
        reading.cancel()
    return CommandResult(process.returncode if reason == "exit" else None, reason, output.text())


class Output:
    def __init__(self, process: asyncio.subprocess.Process, on_output: Callable[[str], None]) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        self._on_output = on_output
        self._texts: list[str] = []

    async def read(self) -> bool:
        """Returns true at the end of the stream, false when there is too much of it."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        length = 0
        while chunk := await self._stream.read(65536):
            text = decoder.decode(chunk)
            self._texts.append(text)
            self._on_output(text)
            length += len(text)
            if length > MAX_OUTPUT_CHARACTERS:
                return False
        return True

    async def drain(self) -> bool:
        while await self._stream.read(65536):
            pass
        return True

    def text(self) -> str:
        return "".join(self._texts)


def clean_environment(environ: dict[str, str], home: Path) -> dict[str, str]:
    """What a command may see: nothing that could be a secret."""
    return {name: environ[name] for name in PASSED_ON if name in environ} | {"HOME": str(home)}


def _kill_tree(pid: int, marker: str) -> None:
    """End the command's process group, and what has left it but still has its marker in the environment."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    wanted = f"{MARKER}={marker}".encode()
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                os.kill(int(directory.name), signal.SIGKILL)
