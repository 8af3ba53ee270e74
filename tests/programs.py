"""``vgproject`` as a process of its own, forked from one that has imported it: imports take most of a short one's time.

That a fresh interpreter runs it too is what the examples of the README show.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

from vgproject.main import app

FORKING = get_context("forkserver")
FORKING.set_forkserver_preload(["vgproject.cli.tasks", "vgproject.cli.live", "vgproject.migrations.upgrade"])


class Program(subprocess.Popen[str]):
    """``words`` are what follows ``vgproject`` on the command line; the rest is as for `subprocess.Popen`."""

    def __init__(self, *words: str, cwd: Path | None = None, env: dict[str, str] | None = None, **streams: Any) -> None:
        self._given = (words, str(cwd or Path.cwd()), dict(os.environ if env is None else env))
        super().__init__(words, text=True, **streams)

    def _execute_child(self, *given: Any) -> None:
        """``given`` ends with the pipes' file descriptors, whether a session is begun, and a process group."""
        pipes = given[10:16]
        ours = (pipes[0], pipes[3], pipes[5])
        inherited = [Inherited(number if pipe == -1 else pipe) for number, pipe in enumerate(ours)]
        is_session = bool(given[-2])
        self._process = FORKING.Process(target=_run, args=(*self._given, inherited, is_session))
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        self.returncode = self._process.exitcode
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        self._process.join(timeout)
        code = self._internal_poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code


def run_program(*words: str, cwd: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """As `subprocess.run`, with what was printed."""
    with Program(
        *words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        try:
            stdout, stderr = program.communicate(timeout=200)
        except BaseException:
            program.kill()
            raise
    return subprocess.CompletedProcess(words, program.returncode, stdout, stderr)


class Inherited:
    """A file descriptor that goes along with what is sent to the new process."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _detach, (DupFd(self._number),)


def _detach(sent: Any) -> int:
    return int(sent.detach())


def _run(words: tuple[str, ...], cwd: str, env: dict[str, str], streams: list[int], is_session: bool) -> None:
    if is_session:
        os.setsid()
    for number, sent in enumerate(streams):
        os.dup2(sent, number)
        os.close(sent)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  (it ends with the process)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["vgproject", *words]
    app()
