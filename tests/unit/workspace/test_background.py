"""Real processes: each sleeps for a time of its own, so that what is left of it can be found."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.tools.tool_workspace import Hands
from unit.workspace.test_processes import running
from vgproject.errors import WorkspaceError
from vgproject.utils.secrets import SecretMask
from vgproject.workspace.background import (
    KEPT_CHARACTERS,
    MAX_RUNNING,
    BackgroundCommand,
    BackgroundCommands,
    open_background,
)
from vgproject.workspace.processes import MAX_OUTPUT_BYTES, CommandResult
from vgproject.workspace.workspace import Workspace

TREE = "setsid sleep {0} & (setsid sleep {0} &) ; echo on; sleep {0}"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Hands(tmp_path / "session").workspace


@pytest.fixture
async def background(workspace: Workspace) -> AsyncIterator[BackgroundCommands]:
    async with open_background(workspace, SecretMask()) as background:
        yield background


async def start(
    background: BackgroundCommands, command: str, name: str = "cmd_1", timeout_seconds: float | None = None
) -> BackgroundCommand:
    await background.start(name, command, timeout_seconds)
    found = background.find(name)
    assert found
    return found


async def test_a_secret_that_comes_in_two_pieces_is_masked(
    background: BackgroundCommands, workspace: Workspace
) -> None:
    gate = "while [ ! -e go ]; do sleep 0.01; done"
    command = await start(background, f"printf 'one sk-01234567'; {gate}; printf '89abcdefghij two'")
    await command.wait(0, 20)
    assert command.output() == ("one ", 0)
    (workspace.root / "go").write_text("")
    while command.running:
        await command.wait(command.printed, 20)
    assert command.output() == ("one [masked: api key] two", 0)


async def until_all_run(words: str, count: int) -> None:
    async with asyncio.timeout(100):
        while len(running(words)) < count:  # noqa: ASYNC110  (processes tell nobody that they have begun)
            await asyncio.sleep(0.01)


async def until_ended(command: BackgroundCommand) -> None:
    while command.running:
        await command.wait(command.printed, 20)


async def test_a_command_runs_on_and_is_read_piece_by_piece(
    workspace: Workspace, background: BackgroundCommands
) -> None:
    command = await start(background, "echo one; while ! test -e go; do sleep 0.01; done; echo two; exit 3")
    await command.wait(0, 20)
    assert (command.running, command.output()) == (True, ("one\n", 0))
    (workspace.root / "go").touch()
    await command.wait(4, 20)
    await until_ended(command)
    assert command.output(since=4) == ("two\n", 0)
    assert command.result == CommandResult(3, "exit", b"")


async def test_waiting_ends_with_the_command_and_with_its_time(background: BackgroundCommands) -> None:
    silent = await start(background, "sleep 0.2")
    await silent.wait(0, 20)
    assert not silent.running
    endless = await start(background, "sleep 600", "cmd_2")
    await endless.wait(0, 0)
    await endless.wait(0, 0.05)
    assert (endless.running, endless.printed) == (True, 0)


async def test_stopping_ends_the_whole_tree_and_no_other_command(background: BackgroundCommands) -> None:
    command = await start(background, TREE.format(4561001))
    await start(background, "echo on; exec sleep 4561002", "cmd_2")
    await command.wait(0, 20)
    await until_all_run("sleep 4561002", 1)
    await until_all_run("sleep 4561001", 3)
    await command.stop()
    assert running("sleep 4561001") == []
    assert (command.running, command.result, command.output()[0]) == (False, None, "on\n")
    assert running("sleep 4561002") == ["sleep 4561002"]
    await command.stop()


@pytest.mark.parametrize("how", ["end", "error", "cancel"])
async def test_nothing_survives_its_block(workspace: Workspace, how: str) -> None:
    on, seconds = asyncio.Event(), f"456200{len(how)}"

    async def work() -> None:
        async with open_background(workspace, SecretMask()) as background:
            command = await start(background, TREE.format(seconds))
            assert command.running
            await until_all_run(f"sleep {seconds}", 3)
            on.set()
            if how == "error":
                raise ValueError
            if how == "cancel":
                await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await on.wait()
    if how == "cancel":
        task.cancel()
    await asyncio.wait({task})
    assert running(f"sleep {seconds}") == []


async def test_only_so_many_run_at_once(background: BackgroundCommands) -> None:
    commands = [await start(background, "sleep 600", f"cmd_{number}") for number in range(MAX_RUNNING)]
    with pytest.raises(WorkspaceError, match="stop one first") as caught:
        await background.start("cmd_more", "true", None)
    assert caught.value.code == "too_many_commands"
    await commands[0].stop()
    await start(background, "sleep 600", "cmd_more")


async def test_a_flood_goes_on_and_only_its_end_is_kept(background: BackgroundCommands) -> None:
    command = await start(background, "yes; echo never")
    while command.printed <= MAX_OUTPUT_BYTES:
        await command.wait(command.printed, 20)
    assert command.running
    await command.stop()
    text, forgotten = command.output()
    assert KEPT_CHARACTERS <= len(text) < 2 * KEPT_CHARACTERS
    assert forgotten == command.printed - len(text)
    assert command.output(since=command.printed - 4) == (text[-4:], 0)


async def test_a_time_out_ends_it(background: BackgroundCommands) -> None:
    command = await start(background, "echo on; sleep 600", timeout_seconds=0.3)
    await until_ended(command)
    assert command.result == CommandResult(None, "timeout", b"")


async def test_what_cannot_be_started_is_not_there(background: BackgroundCommands) -> None:
    with pytest.raises(WorkspaceError) as caught:
        await background.start("cmd_1", f"echo {'x' * 200_000}", None)
    assert caught.value.code == "command_too_long"
    with pytest.raises(WorkspaceError, match="none was started"):
        background.find("cmd_1")
