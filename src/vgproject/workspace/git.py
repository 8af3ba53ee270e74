"""Runs git so that nothing of the user's or the workspace's configuration takes part."""

import asyncio
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from vgproject.errors import WorkspaceError

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_AUTHOR_NAME": "vgproject",
    "GIT_AUTHOR_EMAIL": "vgproject@localhost",
    "GIT_COMMITTER_NAME": "vgproject",
    "GIT_COMMITTER_EMAIL": "vgproject@localhost",
    "HOME": os.devnull,
    "PATH": os.defpath + ":/usr/local/bin",
    "LC_ALL": "C.UTF-8",
    # The project may belong to another user than the server's.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}

TIMEOUT_SECONDS = 300
INERT = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
"""For a repository of somebody else's: none of its programs is run."""


async def run_git(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    allowed: Collection[int] = (0,),
) -> bytes:
    """What git prints. Raises `WorkspaceError` (``git_failed``) with what it complains of."""
    return (await run_git_fully(*arguments, cwd=cwd, environment=environment, stdin=stdin, allowed=allowed))[1]


async def run_git_fully(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    allowed: Collection[int] = (0,),
) -> tuple[int, bytes, str]:
    """The exit code, which is one of ``allowed``, what git prints, and what it complains of."""
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=cwd,
            env={**ENVIRONMENT, **(environment or {})},
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        if not os.path.isdir(cwd):  # noqa: ASYNC240, PTH112  (one look, on the way out)
            raise WorkspaceError(f"The directory {str(cwd)!r} is gone.", code="directory_gone") from error
        raise WorkspaceError("git is needed and was not found: install it.", code="git_missing") from error
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, complaint = await process.communicate(stdin or None)
    except TimeoutError as error:
        raise WorkspaceError(
            f"git {_verb(arguments)} was ended after {TIMEOUT_SECONDS} seconds.", code="git_timeout"
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = complaint.decode(errors="replace").strip()
    code = process.returncode or 0
    if code not in allowed:
        raise WorkspaceError(f"git {_verb(arguments)} failed: {text}", code="git_failed")
    return code, output, text


def _verb(arguments: tuple[str, ...]) -> str:
    words = iter(arguments)
    for word in words:
        if word == "-c":
            next(words)
        elif not word.startswith("-"):
            return word
    return ""


def split_paths(output: bytes) -> list[str]:
    """The paths of a NUL-separated listing; bytes that are no UTF-8 are kept as surrogates."""
    return [os.fsdecode(path) for path in output.split(b"\0") if path]


def join_paths(paths: Collection[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
