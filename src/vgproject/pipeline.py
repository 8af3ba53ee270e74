"""A task from its start to its end: which phases, in which order, what is handed over, what a failure means."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from vgproject.agents.base import COMPLETIONS, Handover, PhaseSettings, Steps, TaskInput, ids_of
from vgproject.agents.context import ROLES, AgentServices, PhaseContext, ProgressSpan
from vgproject.agents.control import TaskControl, open_control
from vgproject.agents.meter import Meter
from vgproject.agents.phase_clock import open_phase_clock
from vgproject.agents.reporter import SERVER, Reporter
from vgproject.agents.strategies import PhaseStrategy, load_strategy
from vgproject.errors import ConfigError, PhaseError, RejectedError, StorageError, VgprojectError, WorkspaceError
from vgproject.event_log import NewEvent, StoredEvent
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.recall import Recall
from vgproject.schema.base import EventData, Phase
from vgproject.schema.events import (
    CheckpointCreated,
    ErrorInfo,
    ErrorOccurred,
    FileChange,
    ImplementationComplete,
    PhaseFailed,
    PhaseRetrying,
    PhaseSkipped,
    PhaseStarted,
    ProgressUpdate,
    ResearchComplete,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskQueued,
    TaskRecovered,
    TaskRetried,
    TaskStarted,
    TestRun,
    UsageUpdated,
    WorkspaceCreated,
    WorkspaceRewound,
)
from vgproject.schema.settings import SessionSettings
from vgproject.task_memory import TaskMemory
from vgproject.telemetry.log_context import log_ids
from vgproject.telemetry.spans import Span, command_key
from vgproject.tools.registry import Toolbox
from vgproject.utils.clock import from_wire
from vgproject.utils.ids import new_id
from vgproject.workspace.background import open_background
from vgproject.workspace.workspace import Workspace
from vgproject.workspace.workspaces import Wanted, Workspaces

logger = logging.getLogger(__name__)

STANDARD = ("research", "planning", "implementation")
WEIGHTS = {"research": 25.0, "planning": 15.0}
OTHER_WEIGHT = 60.0


@dataclass(frozen=True)
class PipelineSettings:
    """From configuration: the phases of each pipeline, and how each phase is done."""

    model: str | None = None
    models: Mapping[Phase, str] = field(default_factory=dict)
    phases: Mapping[Phase, PhaseSettings] = field(default_factory=dict)
    pipelines: Mapping[str, Sequence[Phase]] = field(default_factory=dict)
    defaults: SessionSettings = field(default_factory=SessionSettings)

    def phases_of(self, pipeline: str) -> Sequence[Phase]:
        """Raises `ConfigError` (``no_such_pipeline``)."""
        known = {"standard": STANDARD, **self.pipelines}
        if pipeline not in known:
            raise ConfigError(
                f"There is no pipeline {pipeline!r}: it must be one of {', '.join(known)}.", code="no_such_pipeline"
            )
        return known[pipeline]

    def model_for(self, phase: Phase, settings: SessionSettings) -> str | None:
        """The most particular choice: of the task or session for the phase, then in all, then of configuration."""
        configured = self.models.get(phase) or self.phase(phase).model or self.model
        return settings.models.get(phase) or settings.model or configured

    def role_models(self, settings: SessionSettings) -> dict[str, str]:
        """The models of those who work beside the phases, where they have their own."""
        chosen = {**self.models, **settings.models}
        return {role: chosen[role] for role in ROLES if role in chosen}

    def phase(self, phase: Phase) -> PhaseSettings:
        return self.phases.get(phase, PhaseSettings())

    def strategy(self, phase: Phase) -> PhaseStrategy:
        """Raises `ConfigError` (``no_such_strategy``)."""
        return load_strategy(self.phase(phase).strategy or phase)

    def check(self, tools: Toolbox) -> None:
        """Raises `ConfigError` for a pipeline, strategy or tool that could only fail when a phase begins."""
        for pipeline, phases in {"standard": STANDARD, **self.pipelines}.items():
            repeated = [phase for number, phase in enumerate(phases) if phase in phases[:number]]
            if repeated:
                raise ConfigError(
                    f"The pipeline {pipeline!r} names the phase {repeated[0]!r} twice: each may come once."
                )
            for phase in phases:
                self._check_phase(phase, f"the pipeline {pipeline!r}", tools)
        for phase in {*self.phases, *self.models} - set(ROLES):
            self._check_phase(phase, f"[phases.{phase}]" if phase in self.phases else f"models.{phase}", tools)

    def _check_phase(self, phase: Phase, named_by: str, tools: Toolbox) -> None:
        try:
            self.strategy(phase)
        except ConfigError as error:
            raise ConfigError(
                f"The phase {phase!r} of {named_by} cannot be done. {error.message}", code=error.code
            ) from error
        unknown = sorted(name for name in set(self.phase(phase).tools or ()) if not tools.may_exist(name))
        if unknown:
            known = ", ".join(tools.names())
            raise ConfigError(
                f"[phases.{phase}] tools names {', '.join(map(repr, unknown))}: each must be one of {known}.",
                code="no_such_tool",
            )


@dataclass
class TaskRun:
    """One attempt at a task, in this process."""

    task: TaskInput
    request: TaskQueued
    settings: SessionSettings
    project: str
    owner: str
    phases: Sequence[Phase]
    handover: Handover
    steps: Steps
    control: TaskControl
    reporter: Reporter
    meter: Meter
    memory: TaskMemory

    def span(self, phase: Phase) -> ProgressSpan:
        weights = [WEIGHTS.get(name, OTHER_WEIGHT) for name in self.phases]
        whole, before = sum(weights), sum(weights[: self.phases.index(phase)])
        return ProgressSpan(100 * before / whole, 100 * (before + weights[self.phases.index(phase)]) / whole)


class Pipeline:
    """Runs tasks. Whatever goes wrong in one ends with an event in its session's log and nowhere else."""

    def __init__(
        self,
        settings: PipelineSettings,
        services: AgentServices,
        workspaces: Workspaces,
        memory: Memory,
        recall: Recall,
    ) -> None:
        self._settings = settings
        self._services = services
        self._workspaces = workspaces
        self._memory = memory
        self._recall = recall
        self._boot_id = new_id("boot")

    async def run_task(self, task: TaskInput, steps: Steps) -> None:
        """Run ``task`` to its end, or until cancelled from outside; then it goes on when it is run again.

        Raises `StorageError` where nothing can be stored: then, too.
        """
        # Asked first, so that a task which cannot go on yet makes no model call in vain.
        await self._services.database.check()
        if await self._services.event_log.find(task.session_id, f"{task.key}/end"):
            # The process ended after the task and before the engine had noted that.
            return
        history = await self._history(task)
        began = next(event for event in reversed(history) if event.type in (TaskQueued.type, TaskRetried.type))
        with log_ids(**ids_of(task)), self._open_span(task, began) as span:
            await self._run(task, steps, history, began.seq, span)

    def _open_span(self, task: TaskInput, began: StoredEvent) -> AbstractContextManager[Span]:
        """From when the task was given. What ends the block without an end of the task is the end of this process."""
        return self._services.spans.open(
            "task",
            {"attempt": task.attempt, **ids_of(task)},
            key=task.key,
            task_id=task.task_id,
            parent_key=command_key(task.task_id, task.attempt),
            started_at=from_wire(began.frame().time).timestamp(),
            goes_on=lambda: True,
        )

    async def _run(self, task: TaskInput, steps: Steps, history: list[StoredEvent], began: int, span: Span) -> None:
        reporter = Reporter(self._services.event_log, task, percent=_percent_before(task, history))
        meter = Meter(data for event in history if event.seq < began and isinstance(data := event.data(), UsageUpdated))
        async with open_control(self._services.event_log, task, queued=history[0].seq, after=began) as control:
            memory = TaskMemory(self._memory, self._recall, self._services, task)
            open_run = partial(self._open_run, task, steps, control, reporter, meter, memory, history)
            body = asyncio.create_task(self._run_phases(open_run), name=f"task {task.task_id}")
            control.on_cancel(body.cancel)
            try:
                await body
                span.attributes["outcome"] = "completed"
                logger.info("The task is completed")
            except asyncio.CancelledError:
                if control.cancel_requested is None:
                    raise
                span.attributes["outcome"] = "cancelled"
                await self._cancel(reporter, meter, memory, control.cancel_requested.reason)
            except StorageError:
                raise
            except RejectedError as rejected:
                span.attributes["outcome"] = "cancelled"
                await self._cancel(reporter, meter, memory, rejected.message)
            except Exception as error:  # noqa: BLE001  (the edge of a task: its failure stays in its session)
                span.error = error.code if isinstance(error, VgprojectError) else "internal_error"
                span.attributes["outcome"] = "failed"
                logger.warning("The task has failed: %s", span.error)
                await self._fail(reporter, meter, memory, error)

    async def _history(self, task: TaskInput) -> list[StoredEvent]:
        types = {kind.type for kind in (*COMPLETIONS, TaskQueued, TaskRetried, ProgressUpdate, UsageUpdated)}
        events = await self._services.event_log.read_types(task.session_id, types)
        return [event for event in events if event.frame().task_id == task.task_id]

    async def _open_run(
        self,
        task: TaskInput,
        steps: Steps,
        control: TaskControl,
        reporter: Reporter,
        meter: Meter,
        memory: TaskMemory,
        history: list[StoredEvent],
    ) -> TaskRun:
        request = next(data for event in history if isinstance(data := event.data(), TaskQueued))
        async with self._services.database.unit_of_work() as work:
            session = await work.sessions.get(task.session_id)
        settings = request.settings.over(SessionSettings.model_validate(session.settings)).over(self._settings.defaults)
        phases = self._settings.phases_of(request.pipeline)
        handover = _handed_over(task, phases, history)
        return TaskRun(
            task=task,
            request=request,
            settings=settings,
            project=session.project,
            owner=session.owner,
            phases=phases,
            handover=handover,
            steps=steps,
            control=control,
            reporter=reporter,
            meter=meter,
            memory=memory,
        )

    async def _run_phases(self, open_run: Callable[[], Awaitable[TaskRun]]) -> None:
        run = await open_run()
        started = await run.reporter.send_update(TaskStarted(phases=list(run.phases), settings=run.settings), "started")
        if not started.inserted:
            await run.reporter.send_update(TaskRecovered(), f"recovered/{self._boot_id}")
        for phase in run.phases:
            if phase in run.handover.completions:
                continue
            run.reporter.phase = phase
            if reason := _reason_to_skip(run, phase):
                await run.reporter.send_update(PhaseSkipped(phase=phase, reason=reason), f"{phase}/skipped")
                continue
            completion = await self._run_phase(run, phase)
            run.handover = run.handover.with_completion(phase, completion)
        await run.reporter.send_progress(100, "Done", "done")
        await self._end(run.reporter, _completed(run))

    async def _run_phase(self, run: TaskRun, phase: Phase) -> EventData:
        """The phase's completion, after as many new beginnings as its settings allow."""
        settings = self._settings.phase(phase)
        await self._stay_failed(run, phase)
        for attempt in range(1, settings.retries + 2):
            try:
                return await self._try_phase(run, phase, settings, attempt)
            except StorageError:
                raise
            except VgprojectError as error:
                if not error.retryable or attempt > settings.retries:
                    raise
                retrying = PhaseRetrying(phase=phase, attempt=attempt + 1, error=_info(error))
                await run.reporter.send_update(retrying, f"{phase}/{attempt}/retrying")
        raise AssertionError("the last attempt returns or raises")

    async def _stay_failed(self, run: TaskRun, phase: Phase) -> None:
        """Raise again the failure that the log tells of.

        After a crash the finished steps answer at once, so a phase whose time was up would have time again and go on,
        although everybody was told that it failed.
        """
        failed = await self._services.event_log.find(run.task.session_id, f"{run.task.key}/{phase}/failed")
        if failed and isinstance(told := failed.data(), PhaseFailed):
            raise PhaseError(told.error.message, code=told.error.code, retryable=told.error.retryable)

    async def _try_phase(self, run: TaskRun, phase: Phase, settings: PhaseSettings, attempt: int) -> EventData:
        model = self._settings.model_for(phase, run.settings) or self._services.llm.default_model()
        told = PhaseStarted(phase=phase, model=model)
        started = await run.reporter.send_update(told, f"{phase}/{attempt}/started")
        with self._services.spans.open(
            "phase",
            {"phase": phase, "model": model, "attempt": attempt, **ids_of(run.task)},
            key=f"{run.task.key}/{phase}/{attempt}",
            started_at=from_wire(started.frame().time).timestamp(),
            goes_on=run.control.goes_on,
        ) as span:
            completion = await self._do_phase(run, phase, settings, attempt, model)
            end, label = run.span(phase).end, f"{phase.capitalize()} complete"
            span.was_told = not (await run.reporter.send_progress(end, label, f"{phase}/end")).inserted
            return completion

    async def _do_phase(
        self, run: TaskRun, phase: Phase, settings: PhaseSettings, attempt: int, model: str
    ) -> EventData:
        span = run.span(phase)
        await run.reporter.send_progress(span.start, phase.capitalize(), f"{phase}/{attempt}")
        workspace = await self._open_workspace(run)
        memory = run.memory.open_phase(phase, project=run.project, owner=run.owner, workspace=workspace)
        await self._services.tools.prepare()
        strategy, thread_id = self._settings.strategy(phase), f"{phase}/{attempt}"
        try:
            with memory.follow():
                async with (
                    open_background(workspace, self._services.secrets) as background,
                    open_phase_clock(settings.timeout_seconds) as clock,
                ):
                    context = PhaseContext(
                        phase=phase,
                        task=run.task,
                        request=run.request,
                        settings=run.settings,
                        phase_settings=settings,
                        span=span,
                        clock=clock,
                        services=self._services,
                        steps=run.steps,
                        control=run.control,
                        reporter=run.reporter,
                        meter=run.meter,
                        handover=run.handover,
                        workspace=workspace,
                        role_models=self._settings.role_models(run.settings),
                        background=background,
                    )
                    completion = await strategy.run(run.request.content, model, memory, thread_id, context=context)
        except TimeoutError as error:
            raise PhaseError(
                f"The phase {phase} took longer than {settings.timeout_seconds:g} seconds.", code="phase_timeout"
            ) from error
        await run.reporter.send_update(completion, f"{phase}/complete")
        await run.memory.complete(completion, memory, context)
        return completion

    async def _open_workspace(self, run: TaskRun) -> Workspace:
        settings = run.settings
        wanted = Wanted(settings.take_uncommitted or False, tuple(settings.carry or ()))
        workspace = await self._workspaces.open_or_create(run.task.session_id, Path(run.project), wanted)
        await self._services.event_log.append(
            run.task.session_id, [NewEvent(workspace.origin.as_event(), SERVER, key="workspace_created")]
        )
        return workspace

    async def _cancel(self, reporter: Reporter, meter: Meter, memory: TaskMemory, reason: str | None) -> None:
        sentence = f"The task was cancelled: {reason}" if reason else "The task was cancelled."
        await self._keep_files(reporter)
        await memory.end(reporter)
        await self._say_failure(reporter, ErrorInfo(code="cancelled", message=sentence))
        await self._end(reporter, TaskCancelled(reason=reason, usage=meter.task))

    async def _fail(self, reporter: Reporter, meter: Meter, memory: TaskMemory, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            error = WorkspaceError("The disk of the workspaces is full.", code="disk_full", retryable=True)
        elif not isinstance(error, VgprojectError):
            logger.error("A task ended on a bug", exc_info=error)
            # What the exception says may hold a secret: it is for the operator's log only.
            error = VgprojectError(f"The server has a bug ({type(error).__name__}); its log has the details.")
        await self._keep_files(reporter)
        await memory.end(reporter)
        info, phase = _info(error), reporter.phase
        await self._say_failure(reporter, info)
        await self._end(reporter, TaskFailed(error=info, phase=phase, usage=meter.task))

    async def _keep_files(self, reporter: Reporter) -> None:
        """A checkpoint of what a tool that was cut off has changed."""
        session_id = reporter.task.session_id
        kinds = (WorkspaceCreated, CheckpointCreated, WorkspaceRewound)
        kept = await self._services.event_log.read_types(session_id, {kind.type for kind in kinds})
        if not kept:
            return
        try:
            workspace = await self._workspaces.open(session_id)
            changes = await workspace.changes(kept[-1].frame().data["checkpoint_id"])
            if changes:
                made = await workspace.checkpoint("end")
                told = CheckpointCreated(
                    checkpoint_id=made.id, files=[change.path for change in changes], skipped=list(made.skipped)
                )
                await reporter.send_update(told, "end/checkpoint")
        except StorageError:
            raise
        except VgprojectError:
            logger.exception("What the last tool of a task left of its files is not kept")

    async def _say_failure(self, reporter: Reporter, info: ErrorInfo) -> None:
        phase = reporter.phase
        if phase:
            await reporter.send_update(PhaseFailed(phase=phase, error=info), f"{phase}/failed")
        occurred = ErrorOccurred(scope="phase" if phase else "task", phase=phase, **info.model_dump())
        await reporter.send_update(occurred, "error")

    async def _end(self, reporter: Reporter, end: TaskCompleted | TaskFailed | TaskCancelled) -> None:
        reporter.phase = None
        await reporter.send_update(end, "end", actor=SERVER)


def _handed_over(task: TaskInput, phases: Sequence[Phase], history: list[StoredEvent]) -> Handover:
    """What earlier attempts completed before the phase that this one begins with."""
    if task.from_phase is None:
        return Handover()
    if task.from_phase not in phases:
        raise ConfigError(
            f"The task cannot go on from {task.from_phase!r}: its phases are {', '.join(phases)}.", code="no_such_phase"
        )
    kept = phases[: phases.index(task.from_phase)]
    completions = {
        phase: event.data()
        for event in history
        if event.type in {kind.type for kind in COMPLETIONS} and (phase := event.frame().phase) in kept
    }
    return Handover({phase: data for phase, data in completions.items() if phase is not None})


def _percent_before(task: TaskInput, history: list[StoredEvent]) -> float:
    """How far earlier attempts came; this attempt's own updates are said again under the same keys."""
    if task.attempt == 1:
        return 0.0
    retried = max(event.seq for event in history if event.type == TaskRetried.type)
    updates = [event.data() for event in history if event.seq < retried]
    return max((data.percent for data in updates if isinstance(data, ProgressUpdate)), default=0.0)


def _reason_to_skip(run: TaskRun, phase: Phase) -> str | None:
    if phase != "research" and run.request.research_only:
        return "Only research was asked for."
    if phase not in ("research", "planning") and run.request.plan_only:
        return "Only a plan was asked for."
    if phase in ("planning", "implementation") and not run.handover.needs_implementation:
        return "Research found that nothing has to be implemented."
    return None


def _completed(run: TaskRun) -> TaskCompleted:
    done = run.handover.completions
    changed: list[FileChange] = []
    tests: TestRun | None = None
    result = "Done."
    match done.get("implementation"), run.handover.plan, done.get("research"):
        case ImplementationComplete() as implemented, _, _:
            result, changed, tests = implemented.summary, implemented.files_changed, implemented.tests
        case None, plan, _ if plan is not None:
            result = plan.summary
        case None, None, ResearchComplete() as research:
            result = research.notes
        case _:
            pass
    return TaskCompleted(result=result, usage=run.meter.task, files_changed=changed, tests=tests)


def _info(error: VgprojectError) -> ErrorInfo:
    return ErrorInfo(code=error.code, message=error.message, retryable=error.retryable)
