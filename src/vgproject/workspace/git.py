"""Runs git so that nothing of the user's or the workspace's configuration takes part."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from vgproject.errors import WorkspaceError

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
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


async def run_git(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, stdin: bytes = b""
) -> bytes:
    """What git prints. Raises `WorkspaceError` (``git_failed``) with what it complains of."""
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=cwd,
            env={**ENVIRONMENT, **(environment or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise WorkspaceError("git is needed and was not found: install it.", code="git_missing") from error
    output, complaint = await process.communicate(stdin)
    if process.returncode:
        raise WorkspaceError(
            f"git {arguments[0]} failed: {complaint.decode(errors='replace').strip()}", code="git_failed"
        )
    return output
