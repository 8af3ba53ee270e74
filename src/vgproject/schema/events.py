"""Durable events: facts in a session's log. Their envelope is in ``frames``."""

from typing import ClassVar, Literal

from pydantic import Field

from vgproject.schema.access import Role
from vgproject.schema.agent_outputs import Plan
from vgproject.schema.base import EventData, JsonObject, Phase, Wire
from vgproject.schema.memory import Confidence, MemoryOrigin, MemoryScope, MemorySource, Place
from vgproject.schema.settings import SessionSettings


class ErrorInfo(Wire):
    code: str
    """One of the protocol's error codes."""
    message: str
    """One sentence for people."""
    retryable: bool = False
    """Whether the same may work when it is tried again."""


class Usage(Wire):
    """``cost_usd`` is ``None`` where the price of a model is not known."""

    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    """Model calls."""
    cost_usd: float | None = 0.0
    seconds: float = 0.0
    """What models and tools worked."""


class FileChange(Wire):
    path: str
    """Relative to the project."""
    change: Literal["added", "modified", "deleted"]
    additions: int = 0
    """Lines; 0 for a binary file."""
    deletions: int = 0
    """Lines; 0 for a binary file."""
    binary: bool = False


class DiffStat(Wire):
    files: int = 0
    additions: int = 0
    """Lines."""
    deletions: int = 0
    """Lines."""


class TestSummary(Wire):
    """What a test runner says of its run, as far as it does. Whether the run passed, only its exit code decides."""

    tool: str
    """The runner."""
    passed: int | None = None
    """None where the runner does not tell."""
    failed: int = 0
    skipped: int = 0
    errors: int = 0
    """What broke outside of a test's own checks, as the runner counts it."""
    failing: list[str] = Field(default_factory=list)
    """Names of the first tests that failed or broke."""


class TestRun(Wire):
    """A run of the project's tests: what was run and what came out."""

    command: str
    passed: bool
    exit_code: int | None = None
    """None where the command did not end by itself."""
    output: str = ""
    """Its beginning and end, where it is long."""
    summary: TestSummary | None = None
    """None where the output is that of no known test runner."""
    found: bool = False
    """The command was found in the project, and not given by anybody."""
    failed_before: bool = False
    """It failed already before the task changed anything, so nothing follows from it."""


# Sessions


class SessionCreated(EventData):
    type: ClassVar[str] = "session_created"
    project: str
    """The directory that the session works on."""
    title: str
    settings: SessionSettings
    """Those that the session was made with."""
    owner: str
    """The user who made it."""


class SessionForked(EventData):
    """The session begins with the conversation and files of another, as they were at ``from_seq``."""

    type: ClassVar[str] = "session_forked"
    from_session: str
    """The other session's id."""
    from_seq: int
    """The seq in the other session's log."""
    checkpoint_id: str | None = None
    """The files that it begins with; none where the other had no files yet."""


class SessionRenamed(EventData):
    type: ClassVar[str] = "session_renamed"
    title: str
    """The one from now on."""


class SettingsUpdated(EventData):
    type: ClassVar[str] = "settings_updated"
    settings: SessionSettings
    """All of the session's settings, as they are now."""
    changed: SessionSettings | None = None
    """What was asked for: in running tasks it wins over the task's own settings."""


# Tasks


class TaskQueued(EventData):
    type: ClassVar[str] = "task_queued"
    content: str
    research_only: bool = False
    plan_only: bool = False
    pipeline: str = "standard"
    settings: SessionSettings = SessionSettings()
    """Those given with the task."""


class TaskStarted(EventData):
    type: ClassVar[str] = "task_started"
    phases: list[Phase]
    """The phases of its pipeline, in order."""
    settings: SessionSettings | None = None
    """All that was in force when it began."""


class TaskCompleted(EventData):
    type: ClassVar[str] = "task_completed"
    result: str
    """The summary of what was implemented; else that of the plan, else the notes of research."""
    usage: Usage
    """What this attempt took."""
    files_changed: list[FileChange] = Field(default_factory=list)
    """All that the session has changed since its beginning."""
    tests: TestRun | None = None
    """The last run of the test command."""


class TaskFailed(EventData):
    type: ClassVar[str] = "task_failed"
    error: ErrorInfo
    phase: Phase | None = None
    """Where it failed; none before the first phase."""
    usage: Usage = Usage()
    """What this attempt took."""


class TaskCancelRequested(EventData):
    """Somebody wants the task to stop; ``task_cancelled`` follows when it has."""

    type: ClassVar[str] = "task_cancel_requested"
    reason: str | None = None


class TaskCancelled(EventData):
    type: ClassVar[str] = "task_cancelled"
    reason: str | None = None
    usage: Usage = Usage()
    """What this attempt took."""


class TaskPauseRequested(EventData):
    type: ClassVar[str] = "task_pause_requested"


class TaskPaused(EventData):
    type: ClassVar[str] = "task_paused"
    reason: str
    """A sentence: a person's wish, or a limit that is reached."""


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
    """Counts the task's attempts: the first retry is 2."""


# Phases


class PhaseStarted(EventData):
    type: ClassVar[str] = "phase_started"
    phase: Phase
    model: str
    """As it is configured: it can be a chain of several."""


class PhaseFailed(EventData):
    type: ClassVar[str] = "phase_failed"
    phase: Phase
    error: ErrorInfo


class PhaseRetrying(EventData):
    type: ClassVar[str] = "phase_retrying"
    phase: Phase
    attempt: int
    """The number of the attempt that begins now."""
    error: ErrorInfo
    """How the one before ended."""


class PhaseSkipped(EventData):
    type: ClassVar[str] = "phase_skipped"
    phase: Phase
    reason: str
    """A sentence."""


class ResearchComplete(EventData):
    type: ClassVar[str] = "research_complete"
    notes: str
    """Markdown."""
    key_facts: list[str]
    """Facts for the project's memory."""
    related_files: list[str]
    """Paths, relative to the project."""
    needs_implementation: bool
    """False: the other phases are skipped."""


class PlanningComplete(EventData):
    type: ClassVar[str] = "planning_complete"
    plan: Plan


class ImplementationComplete(EventData):
    type: ClassVar[str] = "implementation_complete"
    summary: str
    """Markdown."""
    files_changed: list[FileChange]
    """All that the session has changed since its beginning."""
    diff_stat: DiffStat
    """The sum of ``files_changed``."""
    tests: TestRun | None = None
    """The last run of the test command, which passed; none where there is no such command."""


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
    """What is being done, for people."""
    step: int | None = None
    """The number of the plan's step, from 1."""
    steps: int | None = None
    """How many steps the plan has."""


class ErrorOccurred(EventData):
    type: ClassVar[str] = "error"
    scope: Literal["command", "tool", "phase", "task"]
    """What failed."""
    code: str
    """One of the protocol's error codes."""
    message: str
    """One sentence for people."""
    phase: Phase | None = None
    retryable: bool = False
    """Whether the same may work when it is tried again."""


# Messages


class UserMessage(EventData):
    type: ClassVar[str] = "user_message"
    message_id: str
    text: str
    delivery: Literal["steer", "queue"] = "steer"
    """``steer``: it is for the running task."""


class AgentMessage(EventData):
    type: ClassVar[str] = "agent_message"
    message_id: str
    """That of the deltas which made it up, and of the turn's ``reasoning``."""
    text: str


class Reasoning(EventData):
    type: ClassVar[str] = "reasoning"
    message_id: str
    """That of the deltas which made it up, and of the turn's ``agent_message``."""
    text: str


# Tools


class ToolRequested(EventData):
    type: ClassVar[str] = "tool_requested"
    tool_call_id: str
    """Unique in the session."""
    tool: str
    arguments: JsonObject
    """Empty where they are not valid; the call then fails."""


class ToolStarted(EventData):
    type: ClassVar[str] = "tool_started"
    tool_call_id: str
    tool: str
    arguments: JsonObject | None = None
    """Where a person changed them before approving."""


class ToolCompleted(EventData):
    type: ClassVar[str] = "tool_completed"
    tool_call_id: str
    tool: str
    result: str
    """What the model was told."""
    duration_ms: int
    details: JsonObject = Field(default_factory=dict)
    """What the tool says of itself, as an exit code."""


class ToolFailed(EventData):
    """The call did not do what was asked; ``message`` is what the model was told."""

    type: ClassVar[str] = "tool_failed"
    tool_call_id: str
    tool: str
    code: str
    """One of the protocol's error codes."""
    message: str
    duration_ms: int = 0


class ApprovalRequested(EventData):
    type: ClassVar[str] = "approval_requested"
    approval_id: str
    tool_call_id: str
    tool: str
    arguments: JsonObject
    reason: str
    """Why this call needs a person's word."""


class ApprovalResolved(EventData):
    type: ClassVar[str] = "approval_resolved"
    approval_id: str
    tool_call_id: str
    decision: Literal["approve", "approve_for_session", "deny"]
    arguments: JsonObject | None = None
    """What the call is run with instead of what was asked for."""
    reason: str | None = None
    """Told to the agent where the call is denied."""
    resolved_by: str
    """The user who answered first."""


class QuestionAsked(EventData):
    type: ClassVar[str] = "question_asked"
    question_id: str
    tool_call_id: str
    question: str
    choices: list[str] = Field(default_factory=list)
    """Proposed answers; any other may be given."""


class QuestionAnswered(EventData):
    type: ClassVar[str] = "question_answered"
    question_id: str
    content: str
    answered_by: str


class PlanProposed(EventData):
    """Nothing is changed before this is resolved."""

    type: ClassVar[str] = "plan_proposed"
    approval_id: str
    plan: Plan


class PlanResolved(EventData):
    """``plan`` is what a person made of it: followed when approved, told to the agent when it is to be revised."""

    type: ClassVar[str] = "plan_resolved"
    approval_id: str
    decision: Literal["approve", "revise", "reject"]
    plan: Plan | None = None
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
    """A sentence that says what is not known."""


class RecoveryDecisionResolved(EventData):
    type: ClassVar[str] = "recovery_decision_resolved"
    recovery_id: str
    tool_call_id: str
    decision: Literal["run_again", "skip", "mark_done"]
    resolved_by: str
    """The user who answered first."""


# Workspace


class FileChanged(EventData):
    type: ClassVar[str] = "file_changed"
    path: str
    """Relative to the project."""
    change: Literal["added", "modified", "deleted"]
    additions: int
    """Lines; 0 for a binary file."""
    deletions: int
    """Lines; 0 for a binary file."""
    tool_call_id: str | None = None
    """The call that changed it."""


class WorkspaceCreated(EventData):
    """The session has its own copy of the project. ``left_behind``: uncommitted work that is not in it."""

    type: ClassVar[str] = "workspace_created"
    checkpoint_id: str
    """The files as the session found them; its diff is against these."""
    commit: str | None = None
    """The project's commit that it began with; none where there is no repository with a commit."""
    branch: str | None = None
    uncommitted: list[str] = Field(default_factory=list)
    """Files of uncommitted work that were taken along."""
    left_behind: list[str] = Field(default_factory=list)
    carried: list[str] = Field(default_factory=list)
    """Ignored files and directories that were taken along."""
    notes: list[str] = Field(default_factory=list)
    """Sentences about what is otherwise than in the project."""


class CheckpointCreated(EventData):
    """``skipped`` files are not in it: too large, unreadable, or of a name that git cannot hold."""

    type: ClassVar[str] = "checkpoint_created"
    checkpoint_id: str
    files: list[str]
    """What was changed, relative to the project."""
    skipped: list[str] = Field(default_factory=list)
    tool_call_id: str | None = None
    """The call that changed them."""


class WorkspaceRewound(EventData):
    """Files and conversation are as they were at ``to_seq``; what they were before is in the safety checkpoint."""

    type: ClassVar[str] = "workspace_rewound"
    to_seq: int
    """What was asked for."""
    checkpoint_seq: int
    """Where in the log the checkpoint stands that the files are from."""
    checkpoint_id: str
    """That checkpoint."""
    safety_checkpoint_id: str
    """The files as they were before."""


class WorkspaceApplied(EventData):
    type: ClassVar[str] = "workspace_applied"
    files: list[FileChange]
    """What was written into the project."""
    applied_by: str
    """The user who asked for it, or ``recovery`` where it was finished after a crash."""


class PlanStepUpdated(EventData):
    type: ClassVar[str] = "plan_step_updated"
    step_id: str
    """The ``id`` of a step of the plan."""
    status: Literal["pending", "running", "done", "failed", "skipped"]


# Model


class UsageUpdated(EventData):
    """What the model calls of this phase, and of the whole task so far, took."""

    type: ClassVar[str] = "usage_updated"
    phase: Phase
    model: str
    """The one that answered."""
    input_tokens: int
    """Of this call."""
    output_tokens: int
    """Of this call."""
    cost_usd: float | None
    """Of this call; none where the model's price is not known."""
    context_tokens: int = 0
    """Of which this call's tokens are a part: a longer conversation is compacted before the next call."""
    phase_usage: Usage
    task_usage: Usage


Limit = Literal["cost_usd", "tokens", "turns", "seconds"]


class BudgetWarning(EventData):
    """Four fifths of a limit are used up, or it cannot be kept as it was meant: ``message`` says which."""

    type: ClassVar[str] = "budget_warning"
    limit: Limit
    allowed: float
    """In the unit of limit."""
    used: float
    """In the unit of limit."""
    message: str
    scope: Literal["task", "phase"] = "task"
    """Whose limit it is."""


class BudgetExceeded(EventData):
    """The task is paused until it is resumed."""

    type: ClassVar[str] = "budget_exceeded"
    limit: Limit
    allowed: float
    """In the unit of limit."""
    used: float
    """In the unit of limit."""
    scope: Literal["task", "phase"] = "task"
    """Whose limit it is."""


class LoopNoticed(EventData):
    """The agent repeats itself or makes no progress: ``message`` is what it was told."""

    type: ClassVar[str] = "loop_noticed"
    kind: Literal["repeated_call", "no_progress"]
    times: int
    """Calls or turns in a row."""
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
    """The number of the attempt that failed, from 1."""
    delay_ms: int
    """How long is waited before the next."""
    reason: str


class ModelFellBack(EventData):
    """Another model is asked; text streamed under ``message_id`` is withdrawn."""

    type: ClassVar[str] = "model_fell_back"
    message_id: str | None = None
    from_model: str
    to_model: str
    reason: str
    """How the first model failed."""


class ContextCompacted(EventData):
    """A conversation had grown too long for its model; tokens are estimates."""

    type: ClassVar[str] = "context_compacted"
    reason: str
    tokens_before: int
    tokens_after: int
    dropped: list[str]
    """What the model is not told any more."""


# Memory


class RecalledEntry(Wire):
    memory_id: str
    kind: str
    content: str
    """Shortened where it is too long for the budget."""
    reason: str
    """Why it was recalled, or how it was changed while the phase ran: a sentence."""
    scope: MemoryScope = "project"
    version: int | None = None
    confidence: Confidence | None = None
    source: MemorySource = "agent"
    place: Place | None = None
    """Where it stands now, where the session's file still has it."""
    stale: bool = False
    """The session's files say otherwise."""
    file_now: str | None = None
    """How the file differs from when it was noted: a sentence."""
    conflicts_with: list[str] = Field(default_factory=list)
    """Ids of the entries that say the contrary, while nobody has settled it."""
    origin: MemoryOrigin | None = None
    score: float | None = None
    """By which it was chosen; only the order of entries recalled together means something."""


class MemoryRecalled(EventData):
    type: ClassVar[str] = "memory_recalled"
    entries: list[RecalledEntry]
    """What the phase is told of earlier tasks, at its start or because it was changed since."""


class MemoryMerged(EventData):
    type: ClassVar[str] = "memory_merged"
    added: list[str]
    """Ids of the entries that are new in the project's memory."""
    merged: list[str] = Field(default_factory=list)
    """Ids of entries that already said the same."""
    superseded: list[str] = Field(default_factory=list)
    """Ids of entries whose place new ones have taken."""
    conflicting: list[str] = Field(default_factory=list)
    """Ids of new entries that say the contrary of what is known: somebody has to settle it."""
    refused: int = 0
    """How many notes were not taken: the memory is full, or the phase has noted too much."""


# Members


class MemberJoined(EventData):
    type: ClassVar[str] = "member_joined"
    user: str
    """``*`` is everybody whom the server knows."""
    role: Role | None
    """The most that the member may do in the session; ``null``: as the member's token says."""


class MemberLeft(EventData):
    """By an own wish or that of an owner: the actor is who wished it."""

    type: ClassVar[str] = "member_left"
    user: str


class RoleChanged(EventData):
    type: ClassVar[str] = "role_changed"
    user: str
    role: Role | None
    """The one that the member has from now on."""


# Working together


class CommentAdded(EventData):
    """A remark of people among themselves, which no model is told of. It is about an event, a step of a plan (then the
    envelope has the task), or the session."""

    type: ClassVar[str] = "comment_added"
    comment_id: str
    content: str
    seq: int | None = None
    """The event that it is about."""
    step_id: str | None = None
    """The plan's step that it is about."""


class CommentResolved(EventData):
    type: ClassVar[str] = "comment_resolved"
    comment_id: str
    resolved_by: str
    """The user who resolved it first."""


class ControlRequested(EventData):
    """Somebody asks who holds control to hand it over."""

    type: ClassVar[str] = "control_requested"
    user: str
    """Who asks."""
    holder: str
    """Who is asked."""


class ControlChanged(EventData):
    """While somebody holds control, only this user and the session's owners steer its tasks."""

    type: ClassVar[str] = "control_changed"
    holder: str | None
    """``null``: nobody holds it from now on, so that all editors steer."""


class ApprovalsRevoked(EventData):
    """What a person has approved for the session does not count any more."""

    type: ClassVar[str] = "approvals_revoked"
    user: str
    """Whose approvals."""
    approvals: list[str]
    """What they were for: tools, or a tool with its command."""


EVENTS: tuple[type[EventData], ...] = (
    SessionCreated,
    SessionForked,
    SessionRenamed,
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
    QuestionAsked,
    QuestionAnswered,
    PlanProposed,
    PlanResolved,
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
    ContextCompacted,
    MemoryRecalled,
    MemoryMerged,
    MemberJoined,
    MemberLeft,
    RoleChanged,
    CommentAdded,
    CommentResolved,
    ControlRequested,
    ControlChanged,
    ApprovalsRevoked,
)


class UnknownEvent(EventData):
    """An event in a log that a later release has written. It is only read, never appended."""

    type: ClassVar[str] = "unknown"
    kind: str
    fields: JsonObject


EVENT_TYPES: dict[str, type[EventData]] = {event.type: event for event in EVENTS}
