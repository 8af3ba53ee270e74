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
RULES = ("--no-config", "--no-messages", "--no-ignore-global", "--no-ignore-dot", "--hidden")
"""Git's ignore rules and no others."""


@dataclass(frozen=True)
class Found:
    """``cut`` says that there was more than can be held."""

    output: str
    cut: bool


class Ripgrep:
    """``root`` is in the workspace's ``top``, where its repository is if there is one."""

    def __init__(self, root: Path, top: Path) -> None:
        self._root = root
        self._top = top

    async def walk(self, directory: int, words: list[str]) -> Found:
        """Search below an open directory. Each path in the output is relative to it and ended by NUL.

        Raises `WorkspaceError` (``bad_pattern``, ``search_timeout``, ``no_ripgrep``).
        """
        words = [*RULES, *self._ignore_rules(), "--sort=path", *words, "--glob=!.git"]
        return await _run(words, cwd=f"/proc/{os.getpid()}/fd/{directory}", stdin=asyncio.subprocess.DEVNULL)

    def _ignore_rules(self) -> list[str]:
        """In a repository those up to its top; else the root's own, not those of the directories above it."""
        above = (place for place in (self._root, *self._root.parents) if place.is_relative_to(self._top))
        if any((place / ".git").exists() for place in above):
            return []
        return ["--no-require-git", "--no-ignore-parent", f"--ignore-file={self._root / '.gitignore'}"]

    async def search_file(self, file: BinaryIO, words: list[str]) -> Found:
        """Search one open file; the output has no path."""
        return await _run([*RULES, "--no-filename", *words, "-"], cwd="/", stdin=file.fileno())


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
        await process.communicate()  # Not only `wait`, which waits for the end of a pipe that nobody reads.


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
