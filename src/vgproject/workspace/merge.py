"""What becomes of one file of the user's when a session's change of it is applied."""

from dataclasses import dataclass
from pathlib import Path

from vgproject.workspace.git import run_git_fully

LINK = "120000"
PLAIN = "100644"


@dataclass(frozen=True)
class File:
    """``mode`` is one of git's: plain, executable or a symbolic link, whose content is its target."""

    mode: str
    content: bytes


class FileConflictError(Exception):
    """The change does not fit; the message says why."""


async def merge_file(base: File | None, session: File | None, user: File | None, scratch: Path) -> File | None:
    """The file with the change from ``base`` to ``session`` made in ``user``. ``None`` is no file.

    Raises `FileConflictError`.
    """
    if user == session or base == session:
        return user
    if user == base:
        return session
    if base is None:
        raise FileConflictError("the session adds this file, and another one is there")
    if user is None:
        raise FileConflictError("the session changes this file, and it is deleted here")
    if session is None:
        if _same_text(base.content, user.content) and base.mode == user.mode:
            return None
        raise FileConflictError("the session deletes this file, and it is changed here")
    return await _merge_both(base, session, user, scratch)


async def _merge_both(base: File, session: File, user: File, scratch: Path) -> File:
    if LINK in (base.mode, session.mode, user.mode) and (user.mode, base.mode) != (base.mode, session.mode):
        raise FileConflictError("it is a symbolic link on one side only")
    mode = session.mode if session.mode != base.mode else user.mode
    if session.content == base.content or session.content == user.content:
        return File(mode, user.content)
    old, new = _with_line_ends_of(user.content, base.content), _with_line_ends_of(user.content, session.content)
    if user.content in (base.content, old):
        return File(mode, session.content if user.content == base.content else new)
    if LINK in (base.mode, session.mode, user.mode):
        raise FileConflictError("the symbolic link was changed on both sides")
    return File(mode, await _merge_lines(old, new, user.content, scratch))


async def _merge_lines(base: bytes, session: bytes, user: bytes, scratch: Path) -> bytes:
    if any(b"\0" in content for content in (base, session, user)):
        raise FileConflictError("this binary file was changed on both sides")
    for name, content in (("user", user), ("base", base), ("session", session)):
        (scratch / name).write_bytes(content)
    code, merged, _ = await run_git_fully(
        "merge-file", "-p", "user", "base", "session", cwd=scratch, allowed=range(256)
    )
    if code:
        line = merged.partition(b"<<<<<<< user")[0].count(b"\n") + 1
        raise FileConflictError(f"both sides changed the same lines, the first at line {line}")
    return merged


def _with_line_ends_of(model: bytes, content: bytes) -> bytes:
    """``content`` as it would be checked out where ``model`` was, if they differ in nothing but their line ends."""
    if _only_crlf(model) and b"\r\n" not in content:
        return content.replace(b"\n", b"\r\n")
    if b"\r\n" not in model and _only_crlf(content):
        return content.replace(b"\r\n", b"\n")
    return content


def _only_crlf(content: bytes) -> bool:
    return b"\r\n" in content and content.count(b"\r\n") == content.count(b"\n")


def _same_text(one: bytes, other: bytes) -> bool:
    return one == _with_line_ends_of(one, other)
