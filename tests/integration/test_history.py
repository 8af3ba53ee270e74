"""Checkpoints, rewinds, forks and clean-up, as a client of the sessions sees them."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.test_tasks import ENDS, OWNER, services_for, start, wait_for
from sample import make_project, script, write_script
from vgproject.bootstrap import Services
from vgproject.conversation import read_conversation
from vgproject.errors import BadInputError, ConflictError
from vgproject.schema import commands as c
from vgproject.schema.settings import SessionSettings
from vgproject.workspace.workspace import Workspace

BROKEN, MENDED = "def add(a, b):\n    return a - b\n", "def add(a, b):\n    return a + b\n"


async def run_task(services: Services, **settings: Any) -> str:
    session_id = await start(services, **settings)
    frames = await wait_for(services, session_id, *ENDS)
    assert frames[-1].type == "task_completed", frames[-1].data
    return session_id


async def seq_of(services: Services, session_id: str, kind: str) -> int:
    return (await services.event_log.read_types(session_id, {kind}))[0].seq


async def conversation(services: Services, session_id: str) -> list[str]:
    types = {"task_queued", "task_completed"}
    return [event.type for event in await read_conversation(services.event_log, session_id, types)]


async def test_a_call_that_changes_files_makes_one_checkpoint(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await start(services)
        frames = await wait_for(services, session_id, *ENDS)
    [made] = [frame.data for frame in frames if frame.type == "checkpoint_created"]
    [changed] = [frame.data for frame in frames if frame.type == "file_changed"]
    assert (made["files"], made["tool_call_id"]) == (["calc.py"], changed["tool_call_id"])
    [created] = [frame.data for frame in frames if frame.type == "workspace_created"]
    assert created["branch"] == "main"


async def test_uncommitted_work_is_told_of_or_taken_along(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (project / "notes.txt").write_text("mine")
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        for settings, field in (({}, "left_behind"), ({"take_uncommitted": True}, "uncommitted")):
            session_id = await run_task(services, **settings)
            [created] = await services.event_log.read_types(session_id, {"workspace_created"})
            assert created.frame().data[field] == ["notes.txt"]


async def test_what_cannot_be_carried_is_refused_before_a_session_is_made(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model) as services:
        with pytest.raises(BadInputError, match="within the project"):
            await services.sessions.execute(c.CreateSession(settings=SessionSettings(carry=["../keys"])), OWNER)
        assert await services.sessions.list_sessions(OWNER) == []


async def test_a_rewind_takes_files_and_conversation_back_and_can_be_taken_back(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await run_task(services)
        workspace = await services.workspaces.open(session_id)
        created = await seq_of(services, session_id, "workspace_created")
        end = (await services.event_log.head(session_id)).seq
        answer = await services.sessions.execute(c.Rewind(session_id=session_id, to_seq=created + 1), OWNER)
        assert answer["checkpoint_seq"] == created
        assert (workspace.root / "calc.py").read_text() == BROKEN
        assert await conversation(services, session_id) == ["task_queued"]
        await services.sessions.execute(c.Rewind(session_id=session_id, to_seq=end), OWNER)
        assert (workspace.root / "calc.py").read_text() == MENDED
        assert await conversation(services, session_id) == ["task_queued", "task_completed"]


@pytest.mark.parametrize("moment", ["before the files", "before the event"])
async def test_a_rewind_that_a_crash_interrupted_is_finished_and_told_of_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    model = write_script(tmp_path, script())

    async def crash(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await run_task(services)
        created = await seq_of(services, session_id, "workspace_created")
        command = c.Rewind(session_id=session_id, to_seq=created)
        with monkeypatch.context() as patched:
            what, name = (Workspace, "rewind") if moment == "before the files" else (services.event_log, "append")
            patched.setattr(what, name, crash)
            with pytest.raises(asyncio.CancelledError):
                await services.sessions.execute(command, OWNER, scope="owner/1")
    async with services_for(tmp_path, model=model, approvals="never") as services:
        workspace = await services.workspaces.open(session_id)
        assert (workspace.root / "calc.py").read_text() == BROKEN
        assert await conversation(services, session_id) == ["task_queued"]
        again = await services.sessions.execute(command, OWNER, scope="owner/1")
        told = [
            event for event in await services.event_log.read(session_id, after=0) if event.type == "workspace_rewound"
        ]
    assert (again["to_seq"], again["duplicate"]) == (created, True)
    assert len(told) == 1


async def test_a_rewind_is_refused_while_a_task_runs_and_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="always") as services:
        session_id = await start(services)
        await wait_for(services, session_id, "approval_requested")
        with pytest.raises(ConflictError) as refused:
            await services.sessions.execute(c.Rewind(session_id=session_id, to_seq=1), OWNER)
        assert refused.value.code == "task_running"
        await services.sessions.execute(c.Cancel(session_id=session_id), OWNER)
        await wait_for(services, session_id, *ENDS)
        for to_seq, code in ((1, "no_checkpoint"), (10_000, "no_such_seq")):
            with pytest.raises(ConflictError) as refused:
                await services.sessions.execute(c.Rewind(session_id=session_id, to_seq=to_seq), OWNER)
            assert refused.value.code == code


async def test_a_fork_has_files_and_conversation_of_its_moment(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        source = await run_task(services)
        created = await seq_of(services, source, "workspace_created")
        early = await services.sessions.fork(source, OWNER, to_seq=created)
        late = await services.sessions.fork(source, OWNER)
        await services.sessions.delete_session(source, OWNER, force=True)
        texts = [
            ((await services.workspaces.open(view.session_id)).root / "calc.py").read_text() for view in (early, late)
        ]
        assert texts == [BROKEN, MENDED]
        again = c.TaskCommand(session_id=early.session_id, content="Make the failing test pass")
        await services.sessions.execute(again, OWNER)
        assert (await wait_for(services, early.session_id, *ENDS))[-1].type == "task_completed"


async def test_a_forks_conversation_goes_on_from_its_sources(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        source = await run_task(services)
        fork = await services.sessions.fork(source, OWNER)
        assert await conversation(services, fork.session_id) == ["task_queued", "task_completed"]


async def test_unapplied_work_is_not_deleted_unasked(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await run_task(services)
        assert [view.unapplied for view in await services.sessions.list_workspaces(OWNER)] == [1]
        with pytest.raises(ConflictError, match=r"calc\.py") as refused:
            await services.sessions.delete_session(session_id, OWNER)
        assert refused.value.code == "unapplied_changes"
        await services.sessions.apply(session_id, OWNER)
        assert [view.unapplied for view in await services.sessions.list_workspaces(OWNER)] == [0]
        await services.sessions.delete_session(session_id, OWNER)
        assert await services.sessions.list_workspaces(OWNER) == []
    assert list((tmp_path / "home" / "workspaces").iterdir()) == []


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from vgproject.workspace.workspace import UNBOXED
from vgproject.workspace.workspaces import Workspaces

async def main():
    workspace = await Workspaces(Path(sys.argv[1]), {}, UNBOXED).open(sys.argv[2])
    sys.addaudithook(lambda event, arguments: event == "os.chmod" and os.kill(os.getpid(), signal.SIGKILL))
    await workspace.apply()

asyncio.run(main())
"""


async def test_an_apply_that_a_crash_interrupted_is_finished_and_told_of_at_the_next_start(tmp_path: Path) -> None:
    model = write_script(tmp_path, script())
    async with services_for(tmp_path, model=model, approvals="never") as services:
        session_id = await run_task(services)
    words = [sys.executable, "-c", KILLED, str(tmp_path / "home"), session_id]
    killed = subprocess.run(words, check=False).returncode  # noqa: ASYNC221  (nothing else runs)
    assert killed == -signal.SIGKILL
    assert (tmp_path / "project" / "calc.py").read_text() == BROKEN
    async with services_for(tmp_path, model=model, approvals="never") as services:
        [told] = await services.event_log.read_types(session_id, {"workspace_applied"})
        assert [file["path"] for file in told.frame().data["files"]] == ["calc.py"]
    assert (tmp_path / "project" / "calc.py").read_text() == MENDED
