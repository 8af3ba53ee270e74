"""Runs ripgrep on what was opened safely; it gets no path, no configuration, and only so much time and output."""

import asyncio
import os
import shutil
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vgproject.errors import WorkspaceError

TIMEOUT_SECONDS = 30
MAX_OUTPUT_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
RULES = ("--no-config", "--no-messages", "--no-ignore-global", "--no-ignore-dot", "--no-require-git", "--hidden")
"""Git's ignore rules and no others, also where there is no repository."""


@dataclass(frozen=True)
class Found:
    """``cut`` says that there was more than can be held."""

    output: str
    cut: bool


class Ripgrep:
    def __init__(self, root: Path) -> None:
        self._root = root

    async def walk(self, directory: int, words: list[str], *, prefix: str) -> Found:
        """Search below an open directory. Paths in the output, each ended by NUL, begin with ``prefix``.

        Raises `WorkspaceError` (``bad_pattern``, ``search_timeout``, ``no_ripgrep``).
        """
        rules = list(RULES)
        if not prefix or not (self._root / ".git").exists():
            rules.append("--no-ignore-parent")  # Those above would be of another project.
        words = [*rules, "--sort=path", *words, "--glob=!.git"]
        found = await _run(words, cwd=f"/proc/{os.getpid()}/fd/{directory}", stdin=asyncio.subprocess.DEVNULL)
        return Found(_with_prefix(found.output, prefix, listing="--files" in words), found.cut)

    async def search_file(self, file: BinaryIO, words: list[str]) -> Found:
        """Search one open file; the output has no path."""
        return await _run([*RULES, "--no-filename", *words, "-"], cwd="/", stdin=file.fileno())


def _with_prefix(output: str, prefix: str, *, listing: bool) -> str:
    if not prefix:
        return output
    separator = "\0" if listing else "\n"
    return "".join(f"{prefix}{record}{separator}" for record in output.split(separator)[:-1])


async def _run(words: list[str], *, cwd: str, stdin: int) -> Found:
    program = shutil.which("rg", path=sysconfig.get_path("scripts")) or shutil.which("rg")
    if program is None:
        raise WorkspaceError("ripgrep is not installed.", code="no_ripgrep")
    process = await asyncio.create_subprocess_exec(
        program,
        *words,
        cwd=cwd,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _read(process)
    except TimeoutError as error:
        raise WorkspaceError(
            f"The search took longer than {TIMEOUT_SECONDS} seconds: narrow it down by path or glob.",
            code="search_timeout",
        ) from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read(process: asyncio.subprocess.Process) -> Found:
    assert process.stdout is not None
    assert process.stderr is not None
    output = bytearray()
    while chunk := await process.stdout.read(CHUNK_BYTES):
        output += chunk
        if len(output) > MAX_OUTPUT_BYTES:
            return Found(output.decode(errors="replace"), cut=True)
    complaint = (await process.stderr.read(CHUNK_BYTES)).decode(errors="replace").strip()
    if await process.wait() == 2 and complaint:
        raise WorkspaceError(f"The pattern or the glob cannot be used: {complaint}", code="bad_pattern")
    return Found(output.decode(errors="replace"), cut=False)
