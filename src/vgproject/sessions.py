"""Every command of a session: admitted once, written to the log, and the task queued."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vgproject.access.admission import Ack, Admission, say
from vgproject.access.allowances import Allowances
from vgproject.access.control import Control
from vgproject.access.members import MemberCommand, Members
from vgproject.access.open_tasks import OpenTasks
from vgproject.access.permissions import MANAGE, SEE, Caller, check_project, named_directory
from vgproject.agents.approvals import GRANT_TYPES, SessionGrants
from vgproject.agents.base import TaskInput
from vgproject.audit import AuditTrail, Entry, about, entry_by
from vgproject.engine import Engine
from vgproject.errors import (
    BadInputError,
    CommandError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from vgproject.event_log import EventLog, NewEvent
from vgproject.llm.llm import Llm
from vgproject.memory_commands import MemoryCommands
from vgproject.models.tables import SessionRow, TaskRow
from vgproject.pipeline import PipelineSettings
from vgproject.repositories.event_store import NewSession
from vgproject.repositories.unit_of_work import Database, UnitOfWork
from vgproject.schema import commands as c
from vgproject.schema.base import EventData, JsonObject
from vgproject.schema.events import (
    ApprovalRequested,
    ApprovalResolved,
    ApprovalsRevoked,
    FileChange,
    PhaseStarted,
    PlanProposed,
    PlanResolved,
    QuestionAnswered,
    QuestionAsked,
    RecoveryDecisionRequested,
    RecoveryDecisionResolved,
    SessionCreated,
    SessionRenamed,
    SettingsUpdated,
    TaskCancelled,
    TaskCancelRequested,
    TaskPauseRequested,
    TaskQueued,
    TaskResumed,
    TaskRetried,
    UserMessage,
)
from vgproject.schema.frames import SessionView, TaskView, TurnView, WorkspaceView
from vgproject.schema.settings import SessionSettings
from vgproject.session_comments import SessionComments
from vgproject.session_files import SessionFiles
from vgproject.session_views import session_view
from vgproject.telemetry.spans import NO_SPANS, Spans
from vgproject.tools.registry import Toolbox, parse_arguments
from vgproject.utils.clock import Clock, to_wire
from vgproject.utils.hash_chain import canonical
from vgproject.utils.ids import NewId
from vgproject.utils.secrets import SecretMask
from vgproject.utils.text import first_line, shorten
from vgproject.workspace.clone import check_carry

logger = logging.getLogger(__name__)

OPEN = ("queued", "running", "paused")


class SessionService:
    def __init__(
        self,
        *,
        database: Database,
        members: Members,
        allowances: Allowances,
        open_tasks: OpenTasks,
        audit: AuditTrail,
        event_log: EventLog,
        memory: MemoryCommands,
        llm: Llm,
        files: SessionFiles,
        engine: Engine,
        tools: Toolbox,
        settings: PipelineSettings,
        project: Path,
        sandbox: str,
        now: Clock,
        new_id: NewId,
        secrets: SecretMask | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        """``project`` is the directory of sessions that name none; ``sandbox`` is told to who looks at one."""
        self._database = database
        self._members = members
        self._allowances = allowances
        self._open_tasks = open_tasks
        self._control = Control(database, members, event_log)
        self._comments = SessionComments(event_log)
        self._audit = audit
        self._event_log = event_log
        self._memory = memory
        self._llm = llm
        self._files = files
        self._engine = engine
        self._tools = tools
        self._settings = settings
        self._project = project
        self._sandbox = sandbox
        self._secrets = secrets or SecretMask()
        self._now = now
        self._new_id = new_id
        self._spans = spans

    async def execute(self, command: c.AnyCommand, caller: Caller, *, scope: str = "") -> Ack:
        """Do what ``command`` asks, once for each ``scope``; the ack's data. Raises `VgprojectError`.

        The secrets in it are masked first: whatever is made of it is stored.
        The answer is kept in the transaction of the command's effect, so that a crash leaves both or neither. That a
        command came at the wrong moment is an answer too: sent again it must not act on what has come since.
        """
        within = {"session_id": command.session_id} if command.session_id else {}
        with self._spans.open("command", {"type": command.type, **within}):
            entry = entry_by(caller, command.type, session_id=command.session_id, command_id=command.id)
            async with self._audit.admitting(entry):
                await self._members.allow(command, caller)
            return await self._execute_audited(command, caller, scope, entry)

    async def _execute_audited(self, command: c.AnyCommand, caller: Caller, scope: str, entry: Entry) -> Ack:
        if answer := await self._first_answer(scope):
            return answer
        command = self._without_secrets(command)
        fields = command.model_dump(mode="json", exclude_unset=True)
        entry = replace(entry, digest=hashlib.sha256(canonical(fields)).hexdigest(), about=about(fields))
        async with self._audit.acting(entry) as made:
            answer = await self._execute_once(command, caller, scope)
            made.update(answer)
        return answer

    async def _execute_once(self, command: c.AnyCommand, caller: Caller, scope: str) -> Ack:
        try:
            holders = await self._control.expect(command, caller)
            return await self._execute(command, Admission(caller, scope, self._new_id, holders))
        except ConflictError as error:
            # It may be its own twin that came at the same time and was first.
            if answer := await self._first_answer(scope):
                return answer
            await self._keep_conflict(scope, command.session_id, error)
            raise

    def _without_secrets(self, command: c.AnyCommand) -> c.AnyCommand:
        if not self._secrets.may_hold(command.model_dump_json()):
            return command
        masked = self._secrets.mask_json(command.model_dump(exclude_unset=True))
        try:
            return type(command).model_validate(masked)
        except ValidationError as error:
            raise BadInputError("The command is too long once the secrets in it are masked.") from error

    async def _first_answer(self, scope: str) -> Ack | None:
        if not scope:
            return None
        async with self._database.unit_of_work() as work:
            answer = await work.commands.get(scope)
        if answer and (conflict := answer.get("conflict")):
            raise ConflictError(conflict["message"], code=conflict["code"], **conflict["details"])
        return {**answer, "duplicate": True} if answer else None

    async def _keep_conflict(self, scope: str, session_id: str | None, error: ConflictError) -> None:
        if not scope:
            return
        conflict = {"message": error.message, "code": error.code, "details": error.details}
        async with self._database.unit_of_work() as work:
            await work.commands.put(scope, {"conflict": conflict}, session_id=session_id)
            await work.commit()

    async def _execute(self, command: c.AnyCommand, admission: Admission) -> Ack:  # noqa: C901  (one line a command)
        match command:
            case c.CreateSession():
                return await self._create_session(command, admission)
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
            case c.ResolvePlan():
                return await self._resolve_plan(command, admission)
            case c.AnswerQuestion():
                return await self._answer_question(command, admission)
            case c.ResolveRecovery():
                return await self._resolve_recovery(command, admission)
            case c.UpdateSettings():
                return await self._update_settings(command, admission)
            case c.RenameSession():
                return await self._rename(command, admission)
            case c.Rewind():
                return await self._rewind(command, admission)
            case c.Remember() | c.UpdateMemory() | c.Forget() | c.RestoreMemory() | c.SettleMemory():
                project, scope = await self.project_of(command, caller := admission.caller), admission.scope
                return await self._memory.execute(command, caller, project=project, scope=scope)
            case c.AddMember() | c.RemoveMember() | c.SetRole():
                return await self._change_member(command, admission)
            case c.RequestControl() | c.HandOver() | c.ReleaseControl():
                return await self._control.execute(command, admission)
            case c.Comment():
                return await self._comments.add(await self._session(command, admission), command, admission)
            case c.ResolveComment():
                return await self._comments.resolve(await self._session(command, admission), command, admission)
            case c.RevokeApprovals():
                return await self._revoke_approvals(command, admission)
            case _:
                raise CommandError(f"{command.type!r} is a command of the connection, not of a session.")

    # Sessions

    async def _create_session(self, command: c.CreateSession, admission: Admission) -> Ack:
        project = self._project_of(command)
        check_project(project, self._project, admission.caller)
        await self._members.allow_settings(command.settings, self._settings.defaults, admission.caller, None)
        self._check(command.settings, project=project)
        self._allowances.take_session(admission.caller)
        project = project.resolve()
        session_id = admission.make_id("ses")
        title = command.title or project.name or str(project)
        answer = {"session_id": session_id}
        await self._store_session(session_id, project, title, command.settings, admission, answer)
        return answer

    async def _store_session(
        self,
        session_id: str,
        project: Path,
        title: str,
        settings: SessionSettings,
        admission: Admission,
        answer: Ack | None = None,
        *,
        then: Sequence[NewEvent] = (),
    ) -> None:
        """The session and its first events, with ``answer`` where the session is all that was asked for."""
        owner = admission.caller.user_id
        new = NewSession(
            project=str(project),
            title=title,
            owner=owner,
            settings=settings.model_dump_json(),
            epoch=self._new_id("epo"),
            time=to_wire(self._now()),
        )
        created = SessionCreated(project=str(project), title=title, settings=settings, owner=owner)
        event = admission.event(created, answer, key="session_created")
        await self._event_log.append(session_id, [event, *then], session=new)

    def _project_of(self, command: c.CreateSession) -> Path:
        return named_directory(command.project) if command.project else self._project

    def _check(self, settings: SessionSettings, *, project: Path | None = None) -> None:
        """Raises `VgprojectError` for what could only fail later."""
        if project is not None and not project.is_dir():
            raise BadInputError(f"The project {str(project)!r} is not a directory.", code="no_such_project")
        for path in settings.carry or ():
            check_carry(path)
        for model in filter(None, (settings.model, *settings.models.values())):
            self._llm.check(model)

    async def list_sessions(self, caller: Caller, *, limit: int = 100) -> list[SessionView]:
        async with self._database.unit_of_work() as work:
            user_id = None if caller.role == "owner" else caller.user_id
            return [await self._view(work, row) for row in await work.sessions.list_all(user_id, limit)]

    async def get_session(self, session_id: str, caller: Caller) -> SessionView:
        """Raises `NotFoundError` (``no_such_session``), also for one that the caller may not see."""
        async with self._database.unit_of_work() as work:
            await self._members.expect_within(work, session_id, caller, SEE)
            return await self._view(work, await work.sessions.get(session_id))

    async def _view(self, work: UnitOfWork, row: SessionRow) -> SessionView:
        tasks, members = await work.sessions.list_tasks(row.id), await work.members.list_of(row.id)
        return session_view(row, tasks, members, self._sandbox)

    async def _change_member(self, command: MemberCommand, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        async with self._members.changing(command) as change:
            answer = change.model_dump()
            await self._control.change_member(view.session_id, change, admission, answer)
        return answer

    async def delete_session(self, session_id: str, caller: Caller, *, force: bool = False) -> None:
        """Raises `ConflictError`: ``task_running`` while a task is open; ``unapplied_changes``, but for ``force``."""
        _check_idle(await self.get_session(session_id, caller))
        if not force:
            await self._files.expect_applied(session_id)
        async with self._database.unit_of_work() as work:
            await work.sessions.delete(await work.sessions.get(session_id))
            await work.commit()
        self._event_log.forget(session_id)
        await self._files.delete(session_id)

    async def list_turns(self, session_id: str, caller: Caller) -> list[TurnView]:
        """The session's model calls, in no particular order."""
        await self.get_session(session_id, caller)
        async with self._database.unit_of_work() as work:
            rows = await work.turns.list_turns(session_id)
        return [TurnView.model_validate({name: getattr(row, name) for name in TurnView.model_fields}) for row in rows]

    # Files

    async def diff(self, session_id: str, caller: Caller) -> str:
        await self.get_session(session_id, caller)
        return await self._files.diff(session_id)

    async def apply(self, session_id: str, caller: Caller) -> list[FileChange]:
        """Put the session's changes into the project. Raises `ConflictError` (``apply_conflict``, ``task_running``)."""
        view = await self.get_session(session_id, caller)
        if any(task.status == "running" for task in view.tasks):
            raise ConflictError("A task is still changing files: wait for its end.", code="task_running")
        return await self._files.apply(session_id, caller.actor)

    async def create_branch(self, session_id: str, caller: Caller) -> str:
        """Write the session's changes as a branch of the project's repository; its name."""
        await self.get_session(session_id, caller)
        return await self._files.create_branch(session_id)

    async def list_workspaces(self, caller: Caller) -> list[WorkspaceView]:
        """The workspaces of the sessions that the caller may see, the largest first."""
        return await self._files.list_workspaces(await self.list_sessions(caller, limit=100_000))

    async def _rewind(self, command: c.Rewind, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        _check_idle(view)
        actor = admission.caller.actor
        return (await self._files.rewind(view, command.to_seq, actor, scope=admission.scope)).model_dump()

    async def fork(self, session_id: str, caller: Caller, *, to_seq: int | None = None) -> SessionView:
        """A new session that begins with this one's conversation and files as they were at ``to_seq``."""
        view = await self.get_session(session_id, caller)
        self._allowances.take_session(caller)
        admission = Admission(caller, "", self._new_id)
        new_id = admission.make_id("ses")
        forked = await self._files.fork(view, to_seq, new_id)
        then = [admission.event(forked)]
        await self._store_session(new_id, Path(view.project), view.title, view.settings, admission, then=then)
        return await self.get_session(new_id, caller)

    async def _update_settings(self, command: c.UpdateSettings, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        self._check(command.settings)
        present = view.settings.over(self._settings.defaults)
        await self._members.allow_settings(command.settings, present, admission.caller, view.session_id)
        settings = command.settings.over(view.settings)
        async with self._database.unit_of_work() as work:
            (await work.sessions.get(view.session_id)).settings = settings.model_dump()
            await work.commit()
        answer = {"settings": settings.model_dump()}
        admission = replace(admission, holders=None)  # Whoever has taken control meanwhile: they are in force.
        await say(
            self._event_log,
            view.session_id,
            SettingsUpdated(settings=settings, changed=command.settings),
            admission,
            answer,
        )
        return answer

    async def _rename(self, command: c.RenameSession, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        async with self._database.unit_of_work() as work:
            (await work.sessions.get(view.session_id)).title = command.title
            await work.commit()
        answer = {"title": command.title}
        await say(self._event_log, view.session_id, SessionRenamed(title=command.title), admission, answer)
        return answer

    # Tasks

    async def _task(self, command: c.TaskCommand, admission: Admission) -> Ack:
        self._settings.phases_of(command.pipeline or "standard")
        settings = command.settings
        if command.model:
            settings = settings.model_copy(update={"model": command.model})
        self._check(settings)
        session = (await self._session(command, admission)).settings if command.session_id else SessionSettings()
        present = session.over(self._settings.defaults)
        await self._members.allow_settings(settings, present, admission.caller, command.session_id)
        chosen = (settings, session, self._settings)
        if not any(choice.model or choice.models for choice in chosen):
            self._llm.default_model()
        request = TaskQueued(
            content=command.content,
            research_only=command.research_only,
            plan_only=command.plan_only,
            pipeline=command.pipeline or "standard",
            settings=settings,
        )
        return await self._queue(command.session_id, request, admission)

    async def _queue(self, session_id: str | None, request: TaskQueued, admission: Admission) -> Ack:
        """In a new session of the default project where none is named."""
        self._engine.expect_open()
        new_id, task_id = admission.make_id("ses"), admission.make_id("tsk")
        answer = {"session_id": session_id or new_id, "task_id": task_id}
        async with self._open_tasks.place(admission.caller):
            if session_id:
                await say(self._event_log, session_id, request, admission, answer, task_id=task_id)
            else:
                await self._store_first_task(new_id, request, admission, answer)
        self._spans.begin_task(task_id, 1)
        await self._engine.submit(TaskInput(answer["session_id"], task_id))
        return answer

    async def _store_first_task(self, session_id: str, request: TaskQueued, admission: Admission, answer: Ack) -> None:
        """In a session of its own, of the default project."""
        self._check(SessionSettings(), project=self._project)
        self._allowances.take_session(admission.caller)
        project, then = self._project.resolve(), [admission.event(request, answer, task_id=answer["task_id"])]
        title = first_line(request.content) or project.name or str(project)
        await self._store_session(session_id, project, title, SessionSettings(), admission, then=then)

    async def _message(self, command: c.Message, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        running = next((task for task in view.tasks if task.status in ("running", "paused")), None)
        if running is None or command.delivery == "queue":
            return await self._queue(view.session_id, TaskQueued(content=command.content), admission)
        message = UserMessage(message_id=admission.make_id("msg"), text=command.content)
        answer = {"message_id": message.message_id, "task_id": running.task_id}
        await say(self._event_log, view.session_id, message, admission, answer, task_id=running.task_id)
        return answer

    async def _cancel(self, command: c.Cancel, admission: Admission) -> Ack:
        task, attempt = await self._open_task(command, admission)
        wish = TaskCancelRequested(reason=command.reason)
        answer = {"task_id": task.task_id}
        end = NewEvent(
            TaskCancelled(reason=command.reason),
            admission.caller.actor,
            task_id=task.task_id,
            key=f"{attempt.key}/end",
        )
        is_queued = task.status == "queued"
        await say(
            self._event_log,
            task.session_id,
            wish,
            admission,
            answer,
            task_id=task.task_id,
            then=[end] if is_queued else [],
        )
        if is_queued:
            await self._engine.cancel_queued(attempt)
        return answer

    async def _ask_task(self, command: c.Pause | c.Resume, admission: Admission, wish: EventData, what: str) -> Ack:
        task, _ = await self._open_task(command, admission)
        if task.status == "queued":
            raise ConflictError(f"The task has not begun: there is nothing to {what}.", code="task_queued")
        answer = {"task_id": task.task_id}
        await say(self._event_log, task.session_id, wish, admission, answer, task_id=task.task_id)
        return answer

    async def _retry(self, command: c.Retry, admission: Admission) -> Ack:
        self._engine.expect_open()
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
        answer = {"task_id": task.task_id, "phase": phase}
        async with self._open_tasks.place(admission.caller):
            stored = await say(
                self._event_log, view.session_id, retried, admission, answer, key=key, task_id=task.task_id
            )
        if not stored.inserted:
            raise ConflictError("Somebody else has just retried the task.", code="not_failed")
        self._spans.begin_task(task.task_id, retried.attempt)
        await self._engine.submit(TaskInput(view.session_id, task.task_id, retried.attempt, phase))
        return answer

    async def _failed_phase(self, session_id: str, task: TaskRow) -> str:
        """The last phase that began; the first of the pipeline where none did."""
        events = await self._event_log.read_types(session_id, {PhaseStarted.type})
        started = [frame.data["phase"] for event in events if (frame := event.frame()).task_id == task.id]
        return str(started[-1]) if started else (await self._phases_of(session_id, task))[0]

    async def _check_phase(self, session_id: str, task: TaskRow, phase: str) -> None:
        phases = await self._phases_of(session_id, task)
        if phase not in phases:
            raise BadInputError(
                f"The task has no phase {phase!r}: it must be one of {', '.join(phases)}.", code="no_such_phase"
            )

    async def _phases_of(self, session_id: str, task: TaskRow) -> Sequence[str]:
        events = await self._event_log.read_types(session_id, {TaskQueued.type})
        [queued] = [frame for event in events if (frame := event.frame()).task_id == task.id]
        return self._settings.phases_of(queued.data["pipeline"])

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
            self._check_arguments(asked.tool, command.arguments)
        resolved = ApprovalResolved(
            approval_id=command.approval_id,
            tool_call_id=asked.tool_call_id,
            decision=command.decision,
            arguments=command.arguments,
            reason=command.reason,
            resolved_by=admission.caller.user_id,
        )
        return await self._resolve(view, resolved, command.approval_id, task_id, admission)

    def _check_arguments(self, name: str, arguments: JsonObject) -> None:
        tool = self._tools.find(name)
        if tool is None:
            raise UnavailableError(
                f"The tool {name!r} is not there now, so changed arguments cannot be checked.", code="tool_unavailable"
            )
        parse_arguments(tool, arguments)

    async def _resolve_plan(self, command: c.ResolvePlan, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        _, task_id = await self._asked(view, PlanProposed, "approval_id", command.approval_id)
        if command.plan and (repeated := command.plan.repeated_ids()):
            raise CommandError(f"Each step needs an id of its own; more than one step has {', '.join(repeated)}.")
        resolved = PlanResolved(
            **command.model_dump(include={"approval_id", "decision", "plan", "reason"}),
            resolved_by=admission.caller.user_id,
        )
        return await self._resolve(view, resolved, command.approval_id, task_id, admission)

    async def _answer_question(self, command: c.AnswerQuestion, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        _, task_id = await self._asked(view, QuestionAsked, "question_id", command.question_id)
        answered = QuestionAnswered(
            question_id=command.question_id, content=command.content, answered_by=admission.caller.user_id
        )
        return await self._resolve(view, answered, command.question_id, task_id, admission)

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
        resolved: ApprovalResolved | PlanResolved | QuestionAnswered | RecoveryDecisionResolved,
        asked_id: str,
        task_id: str | None,
        admission: Admission,
    ) -> Ack:
        """The first answer wins."""
        key = f"{asked_id}/resolved"
        if asked_id not in view.waiting_for and not await self._event_log.find(view.session_id, key):
            raise ConflictError(f"Nobody waits for an answer to {asked_id!r} any more.", code="not_waiting")
        answer = _decision(resolved)
        stored = await say(self._event_log, view.session_id, resolved, admission, answer, key=key, task_id=task_id)
        if not stored.inserted:
            first = _decision(stored.data())
            frame = stored.frame()
            raise ConflictError(
                f"This was answered already: {shorten(''.join(first.values()), 200)} by {frame.actor.id}.",
                code="already_resolved",
                resolved_by=frame.actor.id,
                resolved_at=frame.time,
                **first,
            )
        return answer

    async def _revoke_approvals(self, command: c.RevokeApprovals, admission: Admission) -> Ack:
        view = await self._session(command, admission)
        user = command.user or admission.caller.user_id
        if user != admission.caller.user_id:
            await self._members.expect(view.session_id, admission.caller, MANAGE)
        grants = SessionGrants()
        for event in await self._event_log.read_types(view.session_id, GRANT_TYPES):
            grants.take(event)
        revoked = ApprovalsRevoked(user=user, approvals=grants.by(user))
        answer = revoked.model_dump()
        await say(self._event_log, view.session_id, revoked, admission, answer)
        return answer

    # Shared by the above

    async def project_of(self, command: c.Command, caller: Caller) -> str | None:
        """That of the command's session; ``None`` where it names none."""
        return (await self.get_session(command.session_id, caller)).project if command.session_id else None

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


def _decision(resolved: EventData) -> Ack:
    return resolved.model_dump(include={"decision", "content"})


def _check_idle(view: SessionView) -> None:
    if any(task.status in OPEN for task in view.tasks):
        raise ConflictError("The session has a task that is not ended: cancel it first.", code="task_running")
