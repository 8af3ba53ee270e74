"""Durable events: facts in a session's log. Their envelope is in ``frames``."""

from typing import ClassVar, Literal

from pydantic import Field

from vgproject.schema.agent_outputs import Plan
from vgproject.schema.base import EventData, JsonObject, Phase, Wire
from vgproject.schema.settings import SessionSettings


class ErrorInfo(Wire):
    code: str
    message: str
    retryable: bool = False


class Usage(Wire):
    """``cost_usd`` is ``None`` where the price of a model is not known."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    cost_usd: float | None = 0.0
    seconds: float = Field(default=0.0, description="What models and tools worked.")


class FileChange(Wire):
    path: str
    change: Literal["added", "modified", "deleted"]
    additions: int = 0
    deletions: int = 0
    binary: bool = False


class DiffStat(Wire):
    files: int = 0
    additions: int = 0
    deletions: int = 0


class TestRun(Wire):
    """A run of the project's tests: what was run and what came out."""

    command: str
    passed: bool
    exit_code: int | None = None
    output: str = ""


# Sessions


class SessionCreated(EventData):
    type: ClassVar[str] = "session_created"
    project: str
    title: str
    settings: SessionSettings
    owner: str


class SessionForked(EventData):
    """The session begins with the conversation and files of another, as they were at ``from_seq``."""

    type: ClassVar[str] = "session_forked"
    from_session: str
    from_seq: int
    checkpoint_id: str | None = None


class SettingsUpdated(EventData):
    type: ClassVar[str] = "settings_updated"
    settings: SessionSettings
    changed: SessionSettings | None = Field(
        default=None, description="What was asked for: in running tasks it wins over the task's own settings."
    )


# Tasks


class TaskQueued(EventData):
    type: ClassVar[str] = "task_queued"
    content: str
    research_only: bool = False
    plan_only: bool = False
    pipeline: str = "standard"
    settings: SessionSettings = SessionSettings()


class TaskStarted(EventData):
    type: ClassVar[str] = "task_started"
    phases: list[Phase]
    settings: SessionSettings | None = Field(default=None, description="All that was in force when it began.")


class TaskCompleted(EventData):
    type: ClassVar[str] = "task_completed"
    result: str
    usage: Usage
    files_changed: list[FileChange] = Field(default_factory=list)
    tests: TestRun | None = None


class TaskFailed(EventData):
    type: ClassVar[str] = "task_failed"
    error: ErrorInfo
    phase: Phase | None = None
    usage: Usage = Usage()


class TaskCancelRequested(EventData):
    """Somebody wants the task to stop; ``task_cancelled`` follows when it has."""

    type: ClassVar[str] = "task_cancel_requested"
    reason: str | None = None


class TaskCancelled(EventData):
    type: ClassVar[str] = "task_cancelled"
    reason: str | None = None
    usage: Usage = Usage()


class TaskPauseRequested(EventData):
    type: ClassVar[str] = "task_pause_requested"


class TaskPaused(EventData):
    type: ClassVar[str] = "task_paused"
    reason: str


class TaskResumed(EventData):
    type: ClassVar[str] = "task_resumed"


class TaskRecovered(EventData):
    """The task goes on after the process that ran it ended."""

    type: ClassVar[str] = "task_recovered"


class TaskRetried(EventData):
    """A failed or cancelled task goes on from ``phase``, with what the earlier phases made."""

    type: ClassVar[str] = "task_retried"
    phase: Phase
    attempt: int


# Phases


class PhaseStarted(EventData):
    type: ClassVar[str] = "phase_started"
    phase: Phase
    model: str


class PhaseFailed(EventData):
    type: ClassVar[str] = "phase_failed"
    phase: Phase
    error: ErrorInfo


class PhaseRetrying(EventData):
    type: ClassVar[str] = "phase_retrying"
    phase: Phase
    attempt: int
    error: ErrorInfo


class PhaseSkipped(EventData):
    type: ClassVar[str] = "phase_skipped"
    phase: Phase
    reason: str


class ResearchComplete(EventData):
    type: ClassVar[str] = "research_complete"
    notes: str
    key_facts: list[str]
    related_files: list[str]
    needs_implementation: bool


class PlanningComplete(EventData):
    type: ClassVar[str] = "planning_complete"
    plan: Plan


class ImplementationComplete(EventData):
    type: ClassVar[str] = "implementation_complete"
    summary: str
    files_changed: list[FileChange]
    diff_stat: DiffStat
    tests: TestRun | None = None


class PhaseComplete(EventData):
    """The end of a phase that a pipeline adds; ``output`` is what it hands over."""

    type: ClassVar[str] = "phase_complete"
    phase: Phase
    output: JsonObject


class ProgressUpdate(EventData):
    """``percent`` never falls within a task, and is 100 at its completion."""

    type: ClassVar[str] = "progress_update"
    phase: Phase
    percent: float = Field(ge=0, le=100)
    label: str
    step: int | None = None
    steps: int | None = None


class ErrorOccurred(EventData):
    type: ClassVar[str] = "error"
    scope: Literal["command", "tool", "phase", "task"]
    code: str
    message: str
    phase: Phase | None = None
    retryable: bool = False


# Messages


class UserMessage(EventData):
    type: ClassVar[str] = "user_message"
    message_id: str
    text: str
    delivery: Literal["steer", "queue"] = "steer"


class AgentMessage(EventData):
    type: ClassVar[str] = "agent_message"
    message_id: str
    text: str


class Reasoning(EventData):
    type: ClassVar[str] = "reasoning"
    message_id: str
    text: str


# Tools


class ToolRequested(EventData):
    type: ClassVar[str] = "tool_requested"
    tool_call_id: str
    tool: str
    arguments: JsonObject


class ToolStarted(EventData):
    type: ClassVar[str] = "tool_started"
    tool_call_id: str
    tool: str
    arguments: JsonObject | None = Field(default=None, description="Where a person changed them before approving.")


class ToolCompleted(EventData):
    type: ClassVar[str] = "tool_completed"
    tool_call_id: str
    tool: str
    result: str
    duration_ms: int
    details: JsonObject = Field(default_factory=dict, description="What the tool says of itself, as an exit code.")


class ToolFailed(EventData):
    """The call did not do what was asked; ``message`` is what the model was told."""

    type: ClassVar[str] = "tool_failed"
    tool_call_id: str
    tool: str
    code: str
    message: str
    duration_ms: int = 0


class ApprovalRequested(EventData):
    type: ClassVar[str] = "approval_requested"
    approval_id: str
    tool_call_id: str
    tool: str
    arguments: JsonObject
    reason: str


class ApprovalResolved(EventData):
    type: ClassVar[str] = "approval_resolved"
    approval_id: str
    tool_call_id: str
    decision: Literal["approve", "approve_for_session", "deny"]
    arguments: JsonObject | None = None
    reason: str | None = None
    resolved_by: str


class RecoveryDecisionRequested(EventData):
    """A crash left it unknown whether this side effect took place."""

    type: ClassVar[str] = "recovery_decision_requested"
    recovery_id: str
    tool_call_id: str
    tool: str
    arguments: JsonObject
    unknown: str


class RecoveryDecisionResolved(EventData):
    type: ClassVar[str] = "recovery_decision_resolved"
    recovery_id: str
    tool_call_id: str
    decision: Literal["run_again", "skip", "mark_done"]
    resolved_by: str


# Workspace


class FileChanged(EventData):
    type: ClassVar[str] = "file_changed"
    path: str
    change: Literal["added", "modified", "deleted"]
    additions: int
    deletions: int
    tool_call_id: str | None = None


class WorkspaceCreated(EventData):
    """The session has its own copy of the project. ``left_behind``: uncommitted work that is not in it."""

    type: ClassVar[str] = "workspace_created"
    checkpoint_id: str
    commit: str | None = None
    branch: str | None = None
    uncommitted: list[str] = Field(default_factory=list)
    left_behind: list[str] = Field(default_factory=list)
    carried: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class CheckpointCreated(EventData):
    """``skipped`` files are not in it: too large, unreadable, or of a name that git cannot hold."""

    type: ClassVar[str] = "checkpoint_created"
    checkpoint_id: str
    files: list[str]
    skipped: list[str] = Field(default_factory=list)
    tool_call_id: str | None = None


class WorkspaceRewound(EventData):
    """Files and conversation are as they were at ``to_seq``; what they were before is in the safety checkpoint."""

    type: ClassVar[str] = "workspace_rewound"
    to_seq: int
    checkpoint_seq: int
    checkpoint_id: str
    safety_checkpoint_id: str


class WorkspaceApplied(EventData):
    type: ClassVar[str] = "workspace_applied"
    files: list[FileChange]
    applied_by: str


class PlanStepUpdated(EventData):
    type: ClassVar[str] = "plan_step_updated"
    step_id: str
    status: Literal["pending", "running", "done", "failed", "skipped"]


# Model


class UsageUpdated(EventData):
    """What the model calls of this phase, and of the whole task so far, took."""

    type: ClassVar[str] = "usage_updated"
    phase: Phase
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    phase_usage: Usage
    task_usage: Usage


Limit = Literal["cost_usd", "tokens", "turns", "seconds"]


class BudgetWarning(EventData):
    """Four fifths of a limit are used up, or it cannot be kept as it was meant: ``message`` says which."""

    type: ClassVar[str] = "budget_warning"
    limit: Limit
    allowed: float
    used: float
    message: str
    scope: Literal["task", "phase"] = "task"


class BudgetExceeded(EventData):
    """The task is paused until it is resumed."""

    type: ClassVar[str] = "budget_exceeded"
    limit: Limit
    allowed: float
    used: float
    scope: Literal["task", "phase"] = "task"


class LoopNoticed(EventData):
    """The agent repeats itself or makes no progress: ``message`` is what it was told."""

    type: ClassVar[str] = "loop_noticed"
    kind: Literal["repeated_call", "no_progress"]
    times: int
    message: str


class LoopPaused(EventData):
    """The agent went on so after it was told: the task is paused until it is resumed."""

    type: ClassVar[str] = "loop_paused"
    kind: Literal["repeated_call", "no_progress"]
    times: int


class ModelRetried(EventData):
    """A model call failed and is made again; text streamed under ``message_id`` is withdrawn."""

    type: ClassVar[str] = "model_retried"
    message_id: str
    attempt: int
    delay_ms: int
    reason: str


class ModelFellBack(EventData):
    """Another model is asked; text streamed under ``message_id`` is withdrawn."""

    type: ClassVar[str] = "model_fell_back"
    message_id: str | None = None
    from_model: str
    to_model: str
    reason: str


# Memory


class RecalledEntry(Wire):
    memory_id: str
    kind: str
    content: str
    reason: str


class MemoryRecalled(EventData):
    type: ClassVar[str] = "memory_recalled"
    entries: list[RecalledEntry]


class MemoryMerged(EventData):
    type: ClassVar[str] = "memory_merged"
    added: list[str] = Field(description="Ids of the entries that are new in the project's memory.")
    merged: list[str] = Field(default_factory=list, description="Ids of entries that already said the same.")


EVENTS: tuple[type[EventData], ...] = (
    SessionCreated,
    SessionForked,
    SettingsUpdated,
    TaskQueued,
    TaskStarted,
    TaskCompleted,
    TaskFailed,
    TaskCancelRequested,
    TaskCancelled,
    TaskPauseRequested,
    TaskPaused,
    TaskResumed,
    TaskRecovered,
    TaskRetried,
    PhaseStarted,
    PhaseFailed,
    PhaseRetrying,
    PhaseSkipped,
    ResearchComplete,
    PlanningComplete,
    ImplementationComplete,
    PhaseComplete,
    ProgressUpdate,
    ErrorOccurred,
    UserMessage,
    AgentMessage,
    Reasoning,
    ToolRequested,
    ToolStarted,
    ToolCompleted,
    ToolFailed,
    ApprovalRequested,
    ApprovalResolved,
    RecoveryDecisionRequested,
    RecoveryDecisionResolved,
    FileChanged,
    WorkspaceCreated,
    CheckpointCreated,
    WorkspaceRewound,
    WorkspaceApplied,
    PlanStepUpdated,
    UsageUpdated,
    BudgetWarning,
    BudgetExceeded,
    LoopNoticed,
    LoopPaused,
    ModelRetried,
    ModelFellBack,
    MemoryRecalled,
    MemoryMerged,
)


class UnknownEvent(EventData):
    """An event in a log that a later release has written. It is only read, never appended."""

    type: ClassVar[str] = "unknown"
    kind: str
    fields: JsonObject


EVENT_TYPES: dict[str, type[EventData]] = {event.type: event for event in EVENTS}
