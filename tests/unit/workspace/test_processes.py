import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from vgproject.errors import WorkspaceError
from vgproject.utils.ids import new_id
from vgproject.workspace.processes import (
    MARKER,
    MAX_OUTPUT_BYTES,
    CommandResult,
    Reason,
    clean_environment,
    run_command,
)
from vgproject.workspace.sandbox.base import Launch

DAEMON = (
    f"{sys.executable} -c 'import os,time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    '        os.execve("/bin/sleep", ["sleep", "{seconds}"], {{}})\n'
    "    os._exit(0)'"
)


async def forever(pid: int) -> Reason:
    """Nothing is too much."""
    never: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
    return await never


async def run(
    command: str, directory: Path, timeout_seconds: float = 20, started: asyncio.Event | None = None
) -> tuple[CommandResult, str]:
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        if started:
            started.set()

    result = await run_command(
        Launch(("/bin/sh", "-c", command)),
        cwd=directory,
        environment=clean_environment(dict(os.environ), directory),
        marker=new_id("cmd"),
        timeout_seconds=timeout_seconds,
        on_output=show,
        watch=forever,
    )
    return result, "".join(shown)


def running(words: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
        except OSError:
            continue
    return [line for line in found if line == words]


async def test_a_command_ends_with_its_exit_code_and_one_merged_stream(tmp_path: Path) -> None:
    result, shown = await run("echo one; echo two >&2; exit 3", tmp_path)
    assert (result, shown) == (CommandResult(3, "exit", b"one\ntwo\n"), "one\ntwo\n")


async def test_a_command_has_no_input(tmp_path: Path) -> None:
    result, _ = await run("cat; read line || echo nothing", tmp_path)
    assert result.output == "nothing\n"


async def test_a_command_that_a_signal_ends_says_so(tmp_path: Path) -> None:
    result, _ = await run("kill -9 $$", tmp_path)
    assert (result.exit_code, result.reason) == (137, "killed")


async def test_a_command_gets_no_secret_and_no_inherited_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "top-secret")
    result, _ = await run("env; ls /proc/self/fd | wc -l", tmp_path)
    names = {line.partition("=")[0] for line in result.output.splitlines() if "=" in line}
    python = {"LC_CTYPE"}  # Set by Python itself where no locale is given.
    assert names <= {"PATH", "LANG", "LC_ALL", "TZ", "TERM", "HOME", "PWD", "OLDPWD", "SHLVL", "_", MARKER, *python}
    assert result.output.splitlines()[-1] == "4"


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run])
def test_a_command_inherits_no_descriptor_whatever_the_loop(tmp_path: Path, run_loop: Callable[..., Any]) -> None:
    """One that the server's parent left open, and those of the supervisor's own pipes."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        result, _ = run_loop(run("ls /proc/self/fd | tr '\\n' ' '", tmp_path))
    finally:
        os.close(descriptor)
    assert result.output == "0 1 2 3 "


async def test_broken_utf8_is_shown_and_kept_as_it_is(tmp_path: Path) -> None:
    result, shown = await run(r"printf 'a\377b\303'", tmp_path)
    assert result.content == b"a\xffb\xc3"
    assert shown.startswith("a�b")


@pytest.mark.parametrize("ending", ["exit 0", "sleep 600"])
@pytest.mark.parametrize(
    "detach", ["sleep {seconds} &", "setsid sleep {seconds} &", "(setsid sleep {seconds} &)", DAEMON]
)
async def test_nothing_survives_its_command(tmp_path: Path, detach: str, ending: str) -> None:
    seconds = f"{abs(hash((detach, ending))) % 10**8 + 10**6}"
    began = time.monotonic()
    await run(f"{detach.format(seconds=seconds)}\n{ending}", tmp_path, timeout_seconds=1)
    assert running(f"sleep {seconds}") == []
    assert time.monotonic() - began < 4


async def test_a_background_child_that_holds_the_pipe_does_not_hold_up_the_end(tmp_path: Path) -> None:
    result, _ = await run("sleep 601 & echo done", tmp_path)
    assert (result.exit_code, result.output) == (0, "done\n")


async def test_what_forks_all_the_time_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "forks.py"
    script.write_text(
        "import os,time\nwhile True:\n    if os.fork():\n        os._exit(0)\n    os.setsid(); time.sleep(0.001)\n"
    )
    result, _ = await run(
        f"{sys.executable} forks.py & {sys.executable} forks.py & sleep 600", tmp_path, timeout_seconds=0.5
    )
    assert result.reason == "timeout"
    assert running(f"{sys.executable} forks.py") == []


async def test_a_command_that_kills_its_supervisor_is_ended_all_the_same(tmp_path: Path) -> None:
    result, _ = await run("setsid sleep 7654321 & kill -9 $PPID; sleep 7654321", tmp_path)
    assert result.reason == "killed"
    assert running("sleep 7654321") == []


async def test_a_time_out_says_so_and_keeps_what_was_printed(tmp_path: Path) -> None:
    result, _ = await run("echo early; sleep 600", tmp_path, timeout_seconds=0.5)
    assert result == CommandResult(None, "timeout", b"early\n")


async def test_a_flood_is_cut_at_the_cap(tmp_path: Path) -> None:
    result, shown = await run("yes", tmp_path)
    assert (result.reason, len(result.content), len(shown)) == ("output_limit", MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES)
    assert running("yes") == []


async def test_a_cancelled_command_is_gone_within_a_second(tmp_path: Path) -> None:
    started = asyncio.Event()
    task = asyncio.create_task(run("setsid sleep 8765432 & echo on; sleep 600", tmp_path, started=started))
    await started.wait()
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1
    assert running("sleep 8765432") == []


async def test_a_command_that_is_too_long_is_answered(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        await run(f"echo {'x' * 200_000}", tmp_path)
    assert caught.value.code == "command_too_long"
