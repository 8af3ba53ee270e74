"""Where the server is root, each session's commands run as a user of their own, who has no name and nothing else."""

import os
import stat
from pathlib import Path

FIRST_UID = 1_800_000_000
"""Far above what systems give to people, services and containers."""


def choose_uid(directory: Path) -> int | None:
    """The user of a session whose directory is ``directory``: the one it has, else one that no other session has.

    ``None`` where the server is not root: commands then run as the server's user.
    """
    if os.getuid() != 0:
        return None
    taken = {uid for sibling in directory.parent.iterdir() if (uid := _owner(sibling)) is not None}
    return _owner(directory) or next(uid for uid in range(FIRST_UID, 2**31) if uid not in taken)


def _owner(directory: Path) -> int | None:
    try:
        owner = (directory / "home").lstat().st_uid
    except OSError:
        return None
    return owner if owner >= FIRST_UID else None


def adopt(directory: Path, uid: int) -> None:
    """Give the session's user what the server has put there. Follows no link, whoever moves things meanwhile."""
    os.chown(directory, uid, uid, follow_symlinks=False)
    for _, directories, names, descriptor in os.fwalk(directory, follow_symlinks=False):
        for name in (*directories, *names):
            try:
                status = os.lstat(name, dir_fd=descriptor)
                # A second name may be of a file elsewhere.
                alone = status.st_nlink == 1 or stat.S_ISDIR(status.st_mode)
                if status.st_uid != uid and alone:
                    os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
