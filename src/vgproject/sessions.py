"""Every command of a session: admitted once, written to the log, and the task queued."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vgproject.agents.base import TaskInput
from vgproject.engine import Engine
from vgproject.errors import BadInputError, CommandError, ConflictError, ForbiddenError, NotFoundError
from vgproject.event_log import EventLog, NewEvent, StoredEvent
from vgproject.llm.llm import Llm
from vgproject.memory import Memory, Note
from vgproject.models.tables import SessionRow, TaskRow
from vgproject.pipeline import PipelineSettings
from vgproject.repositories.unit_of_work import Database
from vgproject.schema import commands as c
from vgproject.schema.base import Actor, EventData
from vgproject.schema.events import (
    ApprovalRequested,
    ApprovalResolved,
    FileChange,
    RecoveryDecisionRequested,
    RecoveryDecisionResolved,
    SessionCreated,
    SettingsUpdated,
    TaskCancelled,
    TaskCancelRequested,
    TaskPauseRequested,
    TaskQueued,
    TaskResumed,
    TaskRetried,
    UserMessage,
    WorkspaceApplied,
)
from vgproject.schema.frames import SessionView, TaskView, TurnView
from vgproject.schema.memory import MemoryOrigin
from vgproject.schema.settings import SessionSettings
from vgproject.tools.registry import TOOLS, parse_arguments
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.ids import NewId, derived_id
from vgproject.utils.text import first_line
from vgproject.workspace.workspace import Workspaces

Ack = dict[str, Any]
OPEN = ("queued", "running", "paused")


@dataclass(frozen=True)
class Caller:
    """Who asks. An ``owner`` may see all sessions of the server, others only their own."""

    user_id: str
    role: str
    client: str = ""

    @property
    def actor(self) -> Actor:
        return Actor(kind="user", id=self.user_id)


@dataclass(frozen=True)
class Admission:
    """A command with who gave it. ``scope`` is what makes its ``id`` repeatable; empty if it has none."""

    caller: Caller
    scope: str
    new_id: NewId

    def make_id(self, prefix: str) -> str:
        """The same id each time the same command comes."""
        return derived_id(prefix, self.scope) if self.scope else self.new_id(prefix)


class SessionService:
    def __init__(
        self,
        *,
        database: Database,
        event_log: EventLog,
        memory: Memory,
        llm: Llm,
        workspaces: Workspaces,
        engine: Engine,
        settings: PipelineSettings,
        project: Path,
        now: Clock,
        new_id: NewId,
    ) -> None:
        """``project`` is the directory of sessions that name none."""
        self._database = database
        self._event_log = event_log
        self._memory = memory
        self._llm = llm
        self._workspaces = workspaces
        self._engine = engine
        self._settings = settings
        self._project = project
        self._now = now
        self._new_id = new_id

    async def execute(self, command: c.AnyCommand, caller: Caller, *, scope: str = "") -> Ack:
        """Do what ``command`` asks, once for each ``scope``; the ack's data. Raises `VgprojectError`."""
        if scope:
            async with self._database.unit_of_work() as work:
                if answer := await work.commands.get(scope):
                    return {**answer, "duplicate": True}
        answer = await self._execute(command, Admission(caller, scope, self._new_id))
        if scope:
            async with self._database.unit_of_work() as work:
                session_id = command.session_id or answer.get("session_id")
                await work.commands.put(scope, answer, session_id=session_id)
                await work.commit()
        return answer

    async def _execute(self, command: c.AnyCommand, admission: Admission) -> Ack:  # noqa: C901  (one line a command)
        match command:
            case c.CreateSession():
                return {"session_id": await self._create_session(command, admission)}
            case c.TaskCommand():
                return await self._task(command, admission)
            case c.Message():
                return await self._message(command, admission)
            case c.Cancel():
                return await self._cancel(command, admission)
            case c.Pause():
                return await self._ask_task(command, admission, TaskPauseRequested(), "pause")
            case c.Resume():
                return await self._ask_task(command, admission, TaskResumed(), "resume")
            case c.Retry():
                return await self._retry(command, admission)
            case c.ResolveApproval():
                return await self._resolve_approval(command, admission)
            case c.ResolveRecovery():
                return await self._resolve_recovery(command, admission)
            case c.UpdateSettings():
                return await self._update_settings(command, admission)
            case c.Remember():
                return await self._remember(command, admission)
            case c.UpdateMemory():
                entry = await self._memory.update(command.memory_id, command.content, version=command.version)
                return entry.model_dump()
            case c.Forget():
                return (await self._memory.forget(command.memory_id, version=command.version)).model_dump()
            case _:
                raise CommandError(f"{command.type!r} is a command of the connection, not of a session.")

    # Sessions

    async def _create_session(self, command: c.CreateSession, admission: Admission) -> str:
        project = self._project_of(command)
        self._check(command.settings, project=project)
        session_id = admission.make_id("ses")
        title = command.title or project.name or str(project)
        async with self._database.unit_of_work() as work:
            if await work.sessions.find(session_id) is None:
                now = self._now()
                row = SessionRow(
                    id=session_id,
                    project=str(project.resolve()),
                    title=title,
                    owner=admission.caller.user_id,
                    settings=command.settings.model_dump(),
                    epoch=self._new_id("epo"),
                    created_at=now,
                    updated_at=now,
                )
                work.sessions.add(row)
                await work.commit()
        created = SessionCreated(
            project=str(project.resolve()), title=title, settings=command.settings, owner=admission.caller.user_id
        )
        await self._say(session_id, created, admission, key="session_created")
        return session_id

    def _project_of(self, command: c.CreateSession) -> Path:
        return Path(command.project).expanduser() if command.project else self._project

    def _check(self, settings: SessionSettings, *, project: Path | None = None) -> None:
        """Raises `VgprojectError` for what could only fail later."""
        if project is not None and not project.is_dir():
            raise BadInputError(f"The project {str(project)!r} is not a directory.", code="no_such_project")
        for model in filter(None, (settings.model, *settings.models.values())):
            self._llm.check(model)

    async def list_sessions(self, caller: Caller, *, limit: int = 100) -> list[SessionView]:
        async with self._database.unit_of_work() as work:
            owner = None if caller.role == "owner" else caller.user_id
            rows = await work.sessions.list_all(owner, limit)
            return [_view(row, list(await work.sessions.list_tasks(row.id))) for row in rows]

    async def get_session(self, session_id: str, caller: Caller) -> SessionView:
        """Raises `NotFoundError` (``no_such_session``) and `ForbiddenError`."""
        async with self._database.unit_of_work() as work:
            row = await work.sessions.get(session_id)
            tasks = list(await work.sessions.list_tasks(session_id))
        if caller.role != "owner" and row.owner != caller.user_id:
            raise ForbiddenError(f"The session {session_id!r} is not shared with {caller.user_id!r}.")
        return _view(row, tasks)

    async def delete_session(self, session_id: str, caller: Caller) -> None:
        """Raises `ConflictError` (``task_running``) while a task is open."""
        view = await self.get_session(session_id, caller)
        if any(task.status in OPEN for task in view.tasks):
            raise ConflictError("The session has a task that is not ended: cancel it first.", code="task_running")
        async with self._database.unit_of_work() as work:
            await work.sessions.delete(await work.sessions.get(session_id))
            await work.commit()
        self._event_log.forget(session_id)
        await self._workspaces.delete(session_id)

    async def list_turns(self, session_id: str, caller: Caller) -> list[TurnView]:
        """The session's model calls, in no particular order."""
        await self.get_session(session_id, caller)
        async with self._database.unit_of_work() as work:
            rows = await work.turns.list_turns(session_id)
        return [TurnView.model_validate({name: getattr(row, name) for name in TurnView.model_fields}) for row in rows]

    async def diff(self, session_id: str, caller: Caller) -> str:
        await self.get_session(session_id, caller)
        return await (await self._workspaces.open(session_id)).diff()

    async def apply(self, session_id: str, caller: Caller) -> list[FileChange]:
        """Put the session's changes into the project. Raises `ConflictError` (``apply_conflict``, ``task_running``)."""
        view = await self.get_session(session_id, caller)
        if any(task.status == "running" for task in view.tasks):
            raise ConflictError("A task is still changing files: wait for its end.", code="task_running")
        changes = await (await self._workspaces.open(session_id)).apply()
        applied = WorkspaceApplied(files=changes, applied_by=caller.user_id)
        await self._event_log.append(session_id, [NewEvent(applied, caller.actor)])
        return changes

    async def _update_settings(self, command: c.UpdateSettings, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        self._check(command.settings)
        settings = command.settings.over(view.settings)
        async with self._database.unit_of_work() as work:
            (await work.sessions.get(view.session_id)).settings = settings.model_dump()
            await work.commit()
        await self._say(view.session_id, SettingsUpdated(settings=settings), admission)
        return {"settings": settings.model_dump()}

    # Tasks

    async def _task(self, command: c.TaskCommand, admission: Admission) -> Ack:
        self._settings.phases_of(command.pipeline or "standard")
        settings = command.settings
        if command.model:
            settings = settings.model_copy(update={"model": command.model})
        self._check(settings)
        if command.session_id:
            session_id = (await self._session(command, admission)).session_id
        else:
            title = first_line(command.content)
            session_id = await self._create_session(c.CreateSession(title=title), admission)
        if not (settings.model or settings.models) and self._settings.model is None and not self._settings.models:
            view = await self.get_session(session_id, admission.caller)
            if not (view.settings.model or view.settings.models):
                self._llm.default_model()
        request = TaskQueued(
            content=command.content,
            research_only=command.research_only,
            plan_only=command.plan_only,
            pipeline=command.pipeline or "standard",
            settings=settings,
        )
        return await self._queue(session_id, request, admission)

    async def _queue(self, session_id: str, request: TaskQueued, admission: Admission) -> Ack:
        task_id = admission.make_id("tsk")
        await self._say(session_id, request, admission, key=f"{task_id}/queued", task_id=task_id)
        await self._engine.submit(TaskInput(session_id, task_id))
        return {"session_id": session_id, "task_id": task_id}

    async def _message(self, command: c.Message, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        running = next((task for task in view.tasks if task.status in ("running", "paused")), None)
        if running is None or command.delivery == "queue":
            return await self._queue(view.session_id, TaskQueued(content=command.content), admission)
        message = UserMessage(message_id=admission.make_id("msg"), text=command.content)
        await self._say(view.session_id, message, admission, task_id=running.task_id)
        return {"message_id": message.message_id, "task_id": running.task_id}

    async def _cancel(self, command: c.Cancel, admission: Admission) -> Ack:
        task, attempt = await self._open_task(command, admission)
        wish = TaskCancelRequested(reason=command.reason)
        await self._say(task.session_id, wish, admission, task_id=task.task_id)
        if task.status == "queued":
            await self._engine.cancel_queued(attempt)
            end = TaskCancelled(reason=command.reason)
            await self._say(task.session_id, end, admission, key=f"{attempt.key}/end", task_id=task.task_id)
        return {"task_id": task.task_id}

    async def _ask_task(self, command: c.Pause | c.Resume, admission: Admission, wish: EventData, what: str) -> Ack:
        task, _ = await self._open_task(command, admission)
        if task.status == "queued":
            raise ConflictError(f"The task has not begun: there is nothing to {what}.", code="task_queued")
        await self._say(task.session_id, wish, admission, task_id=task.task_id)
        return {"task_id": task.task_id}

    async def _retry(self, command: c.Retry, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        tasks = {task.task_id: task for task in view.tasks}
        task = tasks.get(command.task_id) if command.task_id else next(reversed(tasks.values()), None)
        if task is None:
            raise NotFoundError("There is no such task in the session.", code="no_such_task")
        if task.status not in ("failed", "cancelled"):
            raise ConflictError(
                f"The task is {task.status}: only a failed or cancelled one goes on.", code="not_failed"
            )
        async with self._database.unit_of_work() as work:
            [row] = [row for row in await work.sessions.list_tasks(view.session_id) if row.id == task.task_id]
        phase = command.phase or await self._failed_phase(view.session_id, row)
        await self._check_phase(view.session_id, row, phase)
        retried = TaskRetried(phase=phase, attempt=row.attempt + 1)
        key = f"{task.task_id}/{retried.attempt}/retried"
        await self._say(view.session_id, retried, admission, key=key, task_id=task.task_id)
        await self._engine.submit(TaskInput(view.session_id, task.task_id, retried.attempt, phase))
        return {"task_id": task.task_id, "phase": phase}

    async def _failed_phase(self, session_id: str, task: TaskRow) -> str:
        """The last phase that began; the first of the pipeline where none did."""
        events = await self._event_log.read_types(session_id, {"phase_started", TaskQueued.type})
        mine = [frame for event in events if (frame := event.frame()).task_id == task.id]
        started = [frame.data["phase"] for frame in mine if frame.type == "phase_started"]
        return str(started[-1]) if started else self._settings.phases_of(mine[0].data["pipeline"])[0]

    async def _check_phase(self, session_id: str, task: TaskRow, phase: str) -> None:
        queued = await self._event_log.find(session_id, f"{task.id}/queued")
        phases = self._settings.phases_of(queued.frame().data["pipeline"] if queued else "standard")
        if phase not in phases:
            raise BadInputError(
                f"The task has no phase {phase!r}: it must be one of {', '.join(phases)}.", code="no_such_phase"
            )

    async def submit_open_tasks(self) -> None:
        """Queue what is open in the log, in case a crash came between the two. What is queued already stays so."""
        async with self._database.unit_of_work() as work:
            tasks = await work.sessions.list_open_tasks()
        for task in tasks:
            if task.attempt == 1:
                await self._engine.submit(TaskInput(task.session_id, task.id))
            else:
                retried = await self._event_log.find(task.session_id, f"{task.id}/{task.attempt}/retried")
                phase = retried.frame().data["phase"] if retried else None
                await self._engine.submit(TaskInput(task.session_id, task.id, task.attempt, phase))

    # Answers

    async def _resolve_approval(self, command: c.ResolveApproval, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        asked, task_id = await self._asked(view, ApprovalRequested, "approval_id", command.approval_id)
        if command.arguments is not None:
            parse_arguments(TOOLS[asked.tool], command.arguments)
        resolved = ApprovalResolved(
            approval_id=command.approval_id,
            tool_call_id=asked.tool_call_id,
            decision=command.decision,
            arguments=command.arguments,
            reason=command.reason,
            resolved_by=admission.caller.user_id,
        )
        return await self._resolve(view, resolved, command.approval_id, task_id, admission)

    async def _resolve_recovery(self, command: c.ResolveRecovery, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        asked, task_id = await self._asked(view, RecoveryDecisionRequested, "recovery_id", command.recovery_id)
        resolved = RecoveryDecisionResolved(
            recovery_id=command.recovery_id,
            tool_call_id=asked.tool_call_id,
            decision=command.decision,
            resolved_by=admission.caller.user_id,
        )
        return await self._resolve(view, resolved, command.recovery_id, task_id, admission)

    async def _asked(self, view: SessionView, kind: type[Any], field: str, wanted: str) -> tuple[Any, str | None]:
        for event in await self._event_log.read_types(view.session_id, {kind.type}):
            frame = event.frame()
            if frame.data[field] == wanted:
                return event.data(), frame.task_id
        raise NotFoundError(f"Nothing with the id {wanted!r} was asked in this session.", code="no_such_approval")

    async def _resolve(
        self,
        view: SessionView,
        resolved: ApprovalResolved | RecoveryDecisionResolved,
        asked_id: str,
        task_id: str | None,
        admission: Admission,
    ) -> Ack:
        """The first answer wins."""
        key = f"{asked_id}/resolved"
        stored = await self._say(view.session_id, resolved, admission, key=key, task_id=task_id)
        if not stored.inserted:
            first = stored.frame().data
            raise ConflictError(
                f"This was answered already: {first['decision']} by {first['resolved_by']}.",
                code="already_resolved",
                decision=first["decision"],
                resolved_by=first["resolved_by"],
            )
        return {"decision": resolved.decision}

    # Memory

    async def _remember(self, command: c.Remember, admission: Admission) -> Ack:
        project = str(self._project.resolve())
        if command.session_id:
            project = (await self._session(command, admission)).project
        origin = MemoryOrigin(session_id=command.session_id, actor=admission.caller.user_id)
        entry, _ = await self._memory.add(project, Note(command.kind, command.content), origin)
        return entry.model_dump()

    # Shared by the above

    async def _session(self, command: c.Command, admission: Admission) -> SessionView:
        if command.session_id is None:
            raise CommandError(f"The command {command.type!r} needs a session_id.")
        return await self.get_session(command.session_id, admission.caller)

    async def _open_task(
        self, command: c.Cancel | c.Pause | c.Resume, admission: Admission
    ) -> tuple[TaskView, TaskInput]:
        """The task that is named; else the one that runs, else the one that waits."""
        view = await self._session(command, admission)
        candidates = [task for task in view.tasks if task.status in OPEN and command.task_id in (None, task.task_id)]
        candidates.sort(key=lambda task: task.status == "queued")
        if not candidates:
            raise ConflictError("The session has no such open task.", code="no_open_task")
        async with self._database.unit_of_work() as work:
            attempts = {row.id: row.attempt for row in await work.sessions.list_tasks(view.session_id)}
        task = candidates[0]
        return task, TaskInput(view.session_id, task.task_id, attempts[task.task_id])

    async def _say(
        self,
        session_id: str,
        data: EventData,
        admission: Admission,
        *,
        key: str | None = None,
        task_id: str | None = None,
    ) -> StoredEvent:
        key = key or (f"command/{admission.scope}" if admission.scope else None)
        event = NewEvent(data, admission.caller.actor, task_id=task_id, key=key)
        [stored] = await self._event_log.append(session_id, [event])
        return stored


def _view(row: SessionRow, tasks: list[TaskRow]) -> SessionView:
    statuses = {task.status for task in tasks}
    running = next((status for status in ("running", "paused", "queued") if status in statuses), "idle")
    return SessionView.model_validate(
        {
            "session_id": row.id,
            "project": row.project,
            "title": row.title,
            "status": "needs_you" if row.waiting > 0 else running,
            "owner": row.owner,
            "settings": row.settings,
            "head_seq": row.head_seq,
            "epoch": row.epoch,
            "created_at": to_wire(row.created_at),
            "updated_at": to_wire(row.updated_at),
            "tasks": [
                {
                    "task_id": task.id,
                    "session_id": task.session_id,
                    "status": task.status,
                    "content": task.content,
                    "created_at": to_wire(task.created_at),
                    "ended_at": to_wire(task.ended_at) if task.ended_at else None,
                }
                for task in tasks
            ],
        }
    )
