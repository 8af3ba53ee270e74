"""Frames: the envelope of events, the passing deltas, and the answers to commands."""

from typing import Literal

from pydantic import Field

from vgproject.schema.base import Actor, JsonObject, Phase, Wire
from vgproject.schema.events import FileChange
from vgproject.schema.settings import SessionSettings

PROTOCOL = "vgproject.v1"


class Blob(Wire):
    """Where the whole of data is that was too large for its frame: ``GET /v1/blobs/{id}``."""

    id: str
    bytes: int
    sha256: str


class EventFrame(Wire):
    """An event as sent. ``data`` belongs to ``type``, by ``events.EVENT_TYPES``."""

    type: str
    session_id: str
    seq: int = Field(ge=1)
    epoch: str
    time: str
    task_id: str | None = None
    phase: Phase | None = None
    actor: Actor
    data: JsonObject


# Deltas: sent often, so they are built as plain dicts (`broker.base.Delta`) and only described here.


class TextDelta(Wire):
    """Also ``reasoning_delta``. ``offset``: how many characters of this message came before."""

    type: Literal["text_delta", "reasoning_delta"]
    session_id: str
    message_id: str
    offset: int
    text: str


class ToolArgumentsDelta(Wire):
    type: Literal["tool_arguments_delta"]
    session_id: str
    message_id: str
    tool_call_id: str
    tool: str
    offset: int
    text: str


class ToolOutputDelta(Wire):
    type: Literal["tool_output_delta"]
    session_id: str
    tool_call_id: str
    stream: Literal["stdout", "stderr", "merged"]
    offset: int
    text: str


class Heartbeat(Wire):
    type: Literal["heartbeat"] = "heartbeat"
    session_id: str
    head_seq: int


class ServerDraining(Wire):
    type: Literal["server_draining"] = "server_draining"
    grace_ms: int


# Answers


class Ack(Wire):
    type: Literal["ack"] = "ack"
    id: str | None = None
    duplicate: bool = False
    """The command came before: this is the answer it got then."""
    data: JsonObject = Field(default_factory=dict)


class ErrorAnswer(Wire):
    type: Literal["error"] = "error"
    id: str | None = None
    data: "ErrorAnswerData"


class ErrorAnswerData(Wire):
    code: str
    message: str
    retry_after_ms: int | None = None
    details: JsonObject = Field(default_factory=dict)


class Pong(Wire):
    type: Literal["pong"] = "pong"
    id: str | None = None
    time: str


class Limits(Wire):
    frame_bytes: int
    commands_per_second: float
    command_burst: int
    connections_per_user: int


class Welcome(Wire):
    """The first frame of a connection. ``user`` and ``role`` are empty until it is authenticated."""

    type: Literal["welcome"] = "welcome"
    server_version: str
    protocol: str = PROTOCOL
    user: str | None
    role: str | None
    limits: Limits
    sandbox: str


class Subscribed(Wire):
    type: Literal["subscribed"] = "subscribed"
    id: str | None = None
    session_id: str
    recovered: bool
    head_seq: int
    epoch: str


class TaskView(Wire):
    task_id: str
    session_id: str
    status: Literal["queued", "running", "paused", "completed", "failed", "cancelled"]
    content: str
    created_at: str
    ended_at: str | None = None


class SessionView(Wire):
    """A session as lists, answers and snapshots show it."""

    session_id: str
    project: str
    title: str
    status: Literal["idle", "queued", "running", "needs_you", "paused"]
    owner: str
    settings: SessionSettings
    head_seq: int
    epoch: str
    created_at: str
    updated_at: str
    sandbox: str = ""
    """In what the commands of this session run."""
    waiting_for: list[str] = Field(default_factory=list)
    """The ids of what a person has to answer; ``budget`` where a task holds at a limit."""
    tasks: list[TaskView] = Field(default_factory=list)


class WorkspaceView(Wire):
    """The files of a session on disk. ``unapplied``: how many changed files the project does not have."""

    session_id: str
    title: str
    project: str
    bytes: int
    used_at: str
    unapplied: int


class Snapshot(Wire):
    """The state of a session, for a client whose cursor cannot be used; its events follow from the first."""

    type: Literal["snapshot"] = "snapshot"
    session: SessionView


class EventPage(Wire):
    events: list[EventFrame]
    head_seq: int
    epoch: str
    recovered: bool = Field(default=True, description="False: the cursor was ahead; the events are from the first.")


class TaskAccepted(Wire):
    session_id: str
    task_id: str


class CreatedBranch(Wire):
    branch: str


class TurnView(Wire):
    """One model call: what was sent anew, and the reply. ``run`` names its conversation, as ``1/research/1``."""

    task_id: str
    phase: str
    run: str
    turn: int
    model: str
    request: list[JsonObject]
    response: JsonObject


class AppliedChanges(Wire):
    files: list[FileChange]


class Readiness(Wire):
    status: Literal["ready", "failing", "draining"]
    failing: str | None = Field(default=None, description="The part that does not answer.")
    detail: str | None = None


class Problem(Wire):
    """RFC 9457, with a stable ``code``."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    details: JsonObject = Field(default_factory=dict)


ANSWERS = (Ack, ErrorAnswer, Pong, Welcome, Subscribed, Snapshot)
DELTAS = (TextDelta, ToolArgumentsDelta, ToolOutputDelta, Heartbeat, ServerDraining)
