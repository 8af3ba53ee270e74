"""A small program that runs one command and leaves nothing of it: run by `processes` as ``python -I -S``.

Its words are the descriptors that the command inherits, with commas, and then the command's.

It is the reaper of all that the command starts, also of what leaves its process group, its session or its parent.
When the shell ends, or the standard input is closed, it stops and kills the whole tree until it has no child left,
and says on its standard error how the shell ended. It imports nothing of the package, so that it starts at once.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GIVE_UP_SECONDS = 10


def main(inherited: str, words: list[str]) -> None:
    """Run the program ``words``; its output and its complaints go to our standard output."""
    shut_all_but({0, 1, 2, *(int(number) for number in inherited.split(",") if number)})
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    shell = os.posix_spawnp(
        words[0],
        words,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
        setsigdef=[signal.SIGPIPE, signal.SIGCHLD],
        setsigmask=[],
    )
    os.close(1)
    status = wait_for(shell, woken)
    end_all(shell)
    os.write(2, b"ended" if status is None else str(os.waitstatus_to_exitcode(status)).encode())


def shut_all_but(kept: set[int]) -> None:
    """Not every event loop does that for the children that it starts."""
    directory = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # noqa: PTH112  (as below)
    for name in os.listdir(directory):  # noqa: PTH208
        if int(name) not in kept:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                continue  # It was that of the listing.


def wait_for(shell: int, woken: int) -> int | None:
    """The shell's status; ``None`` if our standard input is closed before it ends."""
    while True:
        while (reaped := reap())[0] > 0:
            if reaped[0] == shell:
                return reaped[1]
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready:
            return None
        os.read(woken, 4096)


def end_all(shell: int) -> None:
    """Kill until there is no child left. A process is stopped first, so that it starts no other meanwhile."""
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < give_up_at:
        if not os.path.isdir("/proc/self"):  # noqa: PTH112  (pathlib takes longer to import than all the rest)
            send(-shell, signal.SIGKILL)
        known: set[int] = set()
        while new := descendants() - known:
            for pid in new:
                send(pid, signal.SIGSTOP)
            known |= new
        for pid in known:
            send(pid, signal.SIGKILL)
        while (pid := reap()[0]) > 0:
            pass
        if pid < 0:
            return
        time.sleep(0.001)


def reap() -> tuple[int, int]:
    """A child that has ended and its status; 0 if none has, -1 if there is no child."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return -1, 0


def descendants() -> set[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112, PTH208  (as above)
        if name.isdigit() and (parent := parent_of(name)):
            children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def parent_of(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  (as above)
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None
    return None if state in (b"Z", b"X") else int(parent)


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
