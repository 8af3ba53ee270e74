"""Commands that are sent again after a crash at any point of their first time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from sample import script, write_script
from vgproject.access.admission import Ack
from vgproject.access.allowances import Allowances
from vgproject.access.members import Members
from vgproject.access.open_tasks import OpenTasks
from vgproject.access.permissions import Caller
from vgproject.access.token_bucket import Rate
from vgproject.agents.base import Steps, TaskInput
from vgproject.audit import AuditTrail
from vgproject.broker.in_process import InProcessBroker
from vgproject.config import load_config
from vgproject.engine import Engine, EngineSettings
from vgproject.errors import ConflictError
from vgproject.event_log import EventLog, EventLogSettings, NewEvent, StoredEvent
from vgproject.knowledge.care import Caretaker
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.memory_settings import CareSettings
from vgproject.knowledge.namespaces import of_project
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import Recall
from vgproject.llm.llm import Llm
from vgproject.memory_commands import MemoryCommands
from vgproject.repositories.audit_store import open_audit_store
from vgproject.repositories.event_store import Holders, NewSession
from vgproject.repositories.sqlite_event_store import SqliteEventStore
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema import commands as c
from vgproject.schema.agent_outputs import Plan, PlanStep
from vgproject.schema.base import Actor, EventData
from vgproject.schema.events import (
    ApprovalRequested,
    ErrorInfo,
    PlanProposed,
    QuestionAsked,
    RecoveryDecisionRequested,
    TaskCancelled,
    TaskFailed,
    TaskStarted,
)
from vgproject.schema.memory import MemoryEntry, MemoryOrigin
from vgproject.schema.settings import SessionSettings
from vgproject.session_files import SessionFiles
from vgproject.sessions import SessionService
from vgproject.tools.base import ToolFailure
from vgproject.tools.registry import Toolbox
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id
from vgproject.utils.secrets import SecretMask
from vgproject.workspace.boxes import UNBOXED
from vgproject.workspace.workspaces import Workspaces

SERVER = Actor(kind="server", id="server")


class Crash(BaseException):
    """The process ends here: nothing after it happens."""


@dataclass
class CrashPlan:
    """Crash after the effect with this number, counted from when it was set."""

    left: int | None = None

    def pass_effect(self) -> None:
        if self.left == 0:
            self.left = None
            raise Crash
        if self.left is not None:
            self.left -= 1


class CrashingUnit(UnitOfWork):
    plan: CrashPlan

    async def commit(self) -> None:
        await super().commit()
        self.plan.pass_effect()


class CrashingDatabase(Database):
    plan: CrashPlan

    def unit_of_work(self) -> UnitOfWork:
        unit = CrashingUnit(self._sessions())
        unit.plan = self.plan
        return unit


class CrashingLog(EventLog):
    plan: CrashPlan

    async def append(
        self,
        session_id: str,
        events: Sequence[NewEvent],
        *,
        session: NewSession | None = None,
        holders: Holders = None,
    ) -> list[StoredEvent]:
        stored = await super().append(session_id, events, session=session, holders=holders)
        self.plan.pass_effect()
        return stored


class CrashingEngine(Engine):
    plan: CrashPlan

    async def submit(self, task: TaskInput) -> None:
        await super().submit(task)
        self.plan.pass_effect()

    async def cancel_queued(self, task: TaskInput) -> None:
        await super().cancel_queued(task)
        self.plan.pass_effect()


@dataclass
class World:
    """A session service whose parts crash as planned; its tasks run for ever."""

    plan: CrashPlan
    event_log: EventLog
    memory: Memory
    sessions: SessionService
    model: str
    path: Path
    turn: int = 0
    session_id: str = ""
    tasks: list[str] = field(default_factory=list)

    @property
    def project(self) -> str:
        return str(self.path / f"project {self.turn}")

    @property
    def caller(self) -> Caller:
        return Caller(f"user {self.turn}", "approver")

    async def begin_anew(self) -> None:
        """As another user, in another project."""
        self.turn += 1
        self.tasks.clear()
        self._make_project()
        anywhere = Caller(self.caller.user_id, "owner")
        self.session_id = (await self.sessions.execute(c.CreateSession(project=self.project), anywhere))["session_id"]

    def _make_project(self) -> None:
        Path(self.project).mkdir()

    async def execute(self, command: c.AnyCommand, scope: str = "") -> Ack:
        return await self.sessions.execute(command, self.caller, scope=scope and f"{scope} {self.turn}")

    async def say(self, data: EventData, task: int = 0) -> None:
        await self.event_log.append(self.session_id, [NewEvent(data, SERVER, task_id=self.tasks[task])])

    async def queue(self) -> None:
        command = c.TaskCommand(session_id=self.session_id, content="Do it", model=self.model)
        self.tasks.append((await self.execute(command))["task_id"])

    async def run_one(self) -> None:
        await self.queue()
        await self.say(TaskStarted(phases=["research"]))

    async def add_fact(self, content: str) -> MemoryEntry:
        note, origin = Note(content=content), MemoryOrigin(actor="owner")
        entry, _ = await self.memory.add(of_project(self.project), note, origin, actor=self.caller.actor)
        return entry

    async def effects(self) -> list[object]:
        """What is in the log of every session, and in the memory: without what differs from run to run."""
        found: list[object] = []
        for view in await self.sessions.list_sessions(self.caller):
            frames = [event.frame() for event in await self.event_log.read(view.session_id, after=0)]
            numbers = {task.task_id: number for number, task in enumerate(view.tasks)}
            found += [(frame.type, numbers.get(frame.task_id or "")) for frame in frames]
            found.append([member.role for member in view.members])
            found.append((view.status, [task.status for task in view.tasks]))
        entries = await self.memory.list_entries(of_project(self.project))
        found.append(len(await self.memory.conflicts(of_project(self.project))))
        found.append((await self.memory.head(of_project(self.project))).memory_seq)
        return [*found, *((entry.content, entry.version) for entry in entries)]


async def run_for_ever(task: TaskInput, steps: Steps) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[World]:
    config = load_config({"home": path, "project": path}, {"PATH": "/usr/bin:/bin"}).config
    plan = CrashPlan()
    async with AsyncExitStack() as stack:
        database = CrashingDatabase(config.database())
        stack.push_async_callback(database.close)
        await database.upgrade()
        audit = AuditTrail(database, open_audit_store(database.url), "srv_1", now=utc_now, secrets=SecretMask())
        stack.push_async_callback(audit.close)
        assert database.url.path
        open_store = partial(SqliteEventStore, database.url.path)
        event_log = CrashingLog(open_store, InProcessBroker(), EventLogSettings(), now=utc_now, new_id=new_id)
        stack.push_async_callback(event_log.close)
        engine = CrashingEngine(config.engine_database(), EngineSettings(polling_seconds=3600), run_for_ever)
        await engine.launch()
        stack.push_async_callback(engine.close)
        database.plan = event_log.plan = engine.plan = plan
        memory = Memory(database, InProcessBroker(), now=utc_now, new_id=new_id)
        sessions = SessionService(
            database=database,
            members=Members(database),
            allowances=Allowances(commands=Rate(1, 1), handshakes=Rate(1, 1), sessions=Rate(1000, 1000)),
            open_tasks=OpenTasks(database, 1000),
            audit=audit,
            event_log=event_log,
            memory=MemoryCommands(
                memory, Recall(memory), Caretaker(memory, CareSettings(), new_id=new_id), project=path, now=utc_now
            ),
            llm=Llm(config.llm, {}),
            files=SessionFiles(event_log, Workspaces(path, {}, UNBOXED)),
            engine=engine,
            tools=Toolbox(),
            settings=config.pipeline_settings(),
            project=path,
            sandbox="none",
            now=utc_now,
            new_id=new_id,
        )
        world = World(plan, event_log, memory, sessions, write_script(path, script()), path)
        await world.begin_anew()
        yield world


Prepare = Callable[[World], Awaitable[c.AnyCommand]]


async def create_session(world: World) -> c.AnyCommand:
    return c.CreateSession(title="Mine")


async def task_in_a_new_session(world: World) -> c.AnyCommand:
    return c.TaskCommand(content="Do it", model=world.model)


async def task(world: World) -> c.AnyCommand:
    return c.TaskCommand(session_id=world.session_id, content="Do it", model=world.model)


async def message_to_a_running_task(world: World) -> c.AnyCommand:
    await world.run_one()
    return c.Message(session_id=world.session_id, content="Mind the gap")


async def message_for_later(world: World) -> c.AnyCommand:
    await world.run_one()
    return c.Message(session_id=world.session_id, content="And then?", delivery="queue")


async def cancel_what_runs(world: World) -> c.AnyCommand:
    await world.run_one()
    await world.queue()
    return c.Cancel(session_id=world.session_id)


async def cancel_what_waits(world: World) -> c.AnyCommand:
    await world.queue()
    return c.Cancel(session_id=world.session_id)


async def pause(world: World) -> c.AnyCommand:
    await world.run_one()
    return c.Pause(session_id=world.session_id)


async def resume(world: World) -> c.AnyCommand:
    await world.run_one()
    return c.Resume(session_id=world.session_id)


async def retry(world: World) -> c.AnyCommand:
    await world.run_one()
    await world.say(TaskFailed(error=ErrorInfo(code="bug", message="A bug.")))
    return c.Retry(session_id=world.session_id)


async def resolve_approval(world: World) -> c.AnyCommand:
    await world.run_one()
    arguments = {"command": "true"}
    await world.say(
        ApprovalRequested(
            approval_id="apr", tool_call_id="call", tool="run_command", arguments=arguments, reason="It changes things."
        )
    )
    return c.ResolveApproval(session_id=world.session_id, approval_id="apr", decision="approve")


async def resolve_recovery(world: World) -> c.AnyCommand:
    await world.run_one()
    await world.say(
        RecoveryDecisionRequested(
            recovery_id="rec", tool_call_id="call", tool="run_command", arguments={}, unknown="Whether it finished."
        )
    )
    return c.ResolveRecovery(session_id=world.session_id, recovery_id="rec", decision="skip")


async def resolve_plan(world: World) -> c.AnyCommand:
    await world.run_one()
    plan = Plan(summary="Do it.", steps=[PlanStep(id="1", title="All")])
    await world.say(PlanProposed(approval_id="apr", plan=plan))
    return c.ResolvePlan(session_id=world.session_id, approval_id="apr", decision="revise", reason="No.")


async def answer_question(world: World) -> c.AnyCommand:
    await world.run_one()
    await world.say(QuestionAsked(question_id="qst", tool_call_id="call", question="Shall I?"))
    return c.AnswerQuestion(session_id=world.session_id, question_id="qst", content="Yes.")


async def update_settings(world: World) -> c.AnyCommand:
    return c.UpdateSettings(session_id=world.session_id, settings=SessionSettings(max_turns=7))


async def rename_session(world: World) -> c.AnyCommand:
    return c.RenameSession(session_id=world.session_id, title="Another title")


async def remember(world: World) -> c.AnyCommand:
    return c.Remember(session_id=world.session_id, content="Water is wet.")


async def update_memory(world: World) -> c.AnyCommand:
    entry = await world.add_fact("Water is dry.")
    return c.UpdateMemory(session_id=world.session_id, memory_id=entry.memory_id, content="Water is wet.", version=1)


async def remember_in_place_of_another(world: World) -> c.AnyCommand:
    entry = await world.add_fact("Water is dry.")
    return c.Remember(session_id=world.session_id, content="Water is wet.", replaces=[entry.memory_id])


async def forget(world: World) -> c.AnyCommand:
    entry = await world.add_fact("Water is dry.")
    return c.Forget(session_id=world.session_id, memory_id=entry.memory_id, version=1)


async def restore_memory(world: World) -> c.AnyCommand:
    entry = await world.add_fact("Water is wet.")
    await world.execute(
        c.UpdateMemory(session_id=world.session_id, memory_id=entry.memory_id, content="Water is dry.", version=1)
    )
    await world.execute(c.Forget(session_id=world.session_id, memory_id=entry.memory_id))
    return c.RestoreMemory(session_id=world.session_id, memory_id=entry.memory_id, to_version=1)


async def settle_memory(world: World) -> c.AnyCommand:
    await world.add_fact("The server listens on port 80.")
    await world.add_fact("The server listens on port 8080.")
    [conflict] = await world.memory.conflicts(of_project(world.project))
    return c.SettleMemory(
        session_id=world.session_id,
        conflict_id=conflict.conflict_id,
        settlement="rewrite",
        content="The server listens on a free port.",
    )


async def add_member(world: World) -> c.AnyCommand:
    return c.AddMember(session_id=world.session_id, user="ada", role="viewer")


async def remove_member(world: World) -> c.AnyCommand:
    await world.execute(await add_member(world))
    return c.RemoveMember(session_id=world.session_id, user="ada")


async def set_role(world: World) -> c.AnyCommand:
    await world.execute(await add_member(world))
    return c.SetRole(session_id=world.session_id, user="ada", role=None)


async def comment(world: World) -> c.AnyCommand:
    return c.Comment(session_id=world.session_id, content="Why so?", seq=1)


async def resolve_comment(world: World) -> c.AnyCommand:
    return c.ResolveComment(session_id=world.session_id, **await world.execute(await comment(world)))


async def request_control(world: World) -> c.AnyCommand:
    return c.RequestControl(session_id=world.session_id)


async def release_control(world: World) -> c.AnyCommand:
    await world.execute(await request_control(world))
    return c.ReleaseControl(session_id=world.session_id)


async def hand_over(world: World) -> c.AnyCommand:
    await world.execute(c.AddMember(session_id=world.session_id, user="ada", role="editor"))
    return c.HandOver(session_id=world.session_id, user="ada")


async def remove_who_holds_control(world: World) -> c.AnyCommand:
    await world.execute(await hand_over(world))
    return c.RemoveMember(session_id=world.session_id, user="ada")


async def revoke_approvals(world: World) -> c.AnyCommand:
    command = await resolve_approval(world)
    await world.execute(command.model_copy(update={"decision": "approve_for_session"}))
    return c.RevokeApprovals(session_id=world.session_id)


CASES = [
    create_session,
    task_in_a_new_session,
    task,
    message_to_a_running_task,
    message_for_later,
    cancel_what_runs,
    cancel_what_waits,
    pause,
    resume,
    retry,
    resolve_approval,
    resolve_plan,
    answer_question,
    resolve_recovery,
    update_settings,
    rename_session,
    remember,
    remember_in_place_of_another,
    update_memory,
    forget,
    restore_memory,
    settle_memory,
    add_member,
    remove_member,
    set_role,
    comment,
    resolve_comment,
    request_control,
    release_control,
    hand_over,
    remove_who_holds_control,
    revoke_approvals,
]
AFTERWARDS: dict[Prepare, EventData] = {
    message_to_a_running_task: TaskCancelled(),
    cancel_what_runs: TaskCancelled(),
    retry: TaskFailed(error=ErrorInfo(code="bug", message="Again.")),
}
"""What the task does between the crash and the repetition: the repeated command must not take it up."""


@pytest.mark.parametrize("prepare", CASES)
async def test_a_command_repeated_after_a_crash_has_one_effect_and_its_first_answer(
    tmp_path: Path, prepare: Prepare
) -> None:
    async with open_world(tmp_path) as world:
        await world.execute(await prepare(world), "scope")
        await _go_on(world, prepare)
        undisturbed = await world.effects()
        crashes, first = 0, None
        while first is None:
            await world.begin_anew()
            command = await prepare(world)
            world.plan.left = crashes
            try:
                first = await world.execute(command, "scope")
            except Crash:
                crashes += 1
            world.plan.left = None
            await _go_on(world, prepare)
            answer = await world.execute(command, "scope")
            assert await world.execute(command, "scope") == {**answer, "duplicate": True}
            assert await world.effects() == undisturbed
    assert answer == {**first, "duplicate": True}
    assert crashes


async def _go_on(world: World, prepare: Prepare) -> None:
    if prepare in AFTERWARDS:
        await world.say(AFTERWARDS[prepare])


async def test_the_same_command_sent_twice_at_once_has_one_effect_and_one_answer(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        session_commands = (resolve_approval, pause, message_to_a_running_task, retry)
        together = (comment, resolve_comment, request_control, release_control, hand_over, revoke_approvals)
        for prepare in (*session_commands, *together, remember, update_memory, forget, restore_memory, settle_memory):
            await world.begin_anew()
            command = await prepare(world)
            answers = await asyncio.gather(*(world.execute(command, "scope") for _ in range(3)))
            plain = [{key: value for key, value in answer.items() if key != "duplicate"} for answer in answers]
            assert plain == [plain[0]] * 3
            effects = await world.effects()
            assert {**plain[0], "duplicate": True} == await world.execute(command, "scope")
            assert await world.effects() == effects


async def test_a_second_answer_of_another_command_is_refused(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        command = await resolve_approval(world)
        await world.execute(command, "one")
        for _ in range(2):
            with pytest.raises(ConflictError, match="answered already: approve by user 1") as refused:
                await world.execute(command, "another")
            assert (refused.value.code, refused.value.details["decision"]) == ("already_resolved", "approve")
        assert (await world.execute(command, "one"))["duplicate"] is True


async def test_arguments_that_the_tool_cannot_take_are_the_mistake_of_who_approves(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        command = await resolve_approval(world)
        with pytest.raises(ToolFailure, match="timeout_seconds") as refused:
            await world.execute(command.model_copy(update={"arguments": {"command": "true", "timeout_seconds": 0}}), "")
        assert (refused.value.code, refused.value.http_status) == ("invalid_arguments", 400)
        assert (await world.execute(command, ""))["decision"] == "approve"


async def test_a_command_that_came_too_early_does_not_act_later_when_it_is_sent_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        cancel = c.Cancel(session_id=world.session_id)
        with pytest.raises(ConflictError, match="no such open task"):
            await world.execute(cancel, "scope")
        await world.run_one()
        before = await world.effects()
        with pytest.raises(ConflictError, match="no such open task"):
            await world.execute(cancel, "scope")
        assert await world.effects() == before
