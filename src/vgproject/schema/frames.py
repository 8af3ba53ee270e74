"""Frames: the envelope of events, the passing deltas, and the answers to commands."""

from typing import Literal

from pydantic import Field

from vgproject.schema.access import MemberView
from vgproject.schema.base import Actor, JsonObject, Phase, Wire
from vgproject.schema.events import FileChange
from vgproject.schema.memory import ChangeKind, MemoryEntry, MemoryOrigin, MemoryScope
from vgproject.schema.presence import Presence
from vgproject.schema.settings import SessionSettings

PROTOCOL = "vgproject.v1"


class Blob(Wire):
    """Where the whole of data is that was too large for its frame: ``GET /v1/blobs/{id}``."""

    id: str
    bytes: int
    """Its size."""
    sha256: str


class EventFrame(Wire):
    """An event as sent. ``data`` belongs to ``type``, by ``events.EVENT_TYPES``."""

    type: str
    session_id: str
    seq: int = Field(ge=1)
    """Counts 1, 2, 3, … within the session, without holes."""
    epoch: str
    """Names the log: a cursor from another epoch says nothing about this one."""
    time: str
    """UTC, ISO 8601 with milliseconds."""
    task_id: str | None = None
    """None where the event is not of a task."""
    phase: Phase | None = None
    """None where the event is not of a phase."""
    actor: Actor
    data: JsonObject


# Deltas: sent often, so they are built as plain dicts (`broker.base.Delta`) and only described here.


class TextDelta(Wire):
    """Also ``reasoning_delta``. ``offset``: how many characters of this message came before."""

    type: Literal["text_delta", "reasoning_delta"]
    session_id: str
    message_id: str
    """That of the ``agent_message`` or ``reasoning`` which will have the whole text."""
    offset: int
    text: str


class ToolArgumentsDelta(Wire):
    type: Literal["tool_arguments_delta"]
    session_id: str
    message_id: str
    """That of the turn."""
    tool_call_id: str
    """That of the ``tool_requested`` which will follow."""
    tool: str
    offset: int
    """How many characters of these arguments came before."""
    text: str
    """A piece of JSON."""


class ToolOutputDelta(Wire):
    type: Literal["tool_output_delta"]
    session_id: str
    tool_call_id: str
    stream: Literal["stdout", "stderr", "merged"]
    """``merged`` where the tool does not tell them apart."""
    offset: int
    """How many characters of this output came before."""
    text: str


class Heartbeat(Wire):
    type: Literal["heartbeat"] = "heartbeat"
    session_id: str
    head_seq: int
    """The seq of the last event of the log."""


class ServerDraining(Wire):
    type: Literal["server_draining"] = "server_draining"
    grace_ms: int
    """How long running steps have to end."""


# Answers


class Ack(Wire):
    type: Literal["ack"] = "ack"
    id: str | None = None
    """That of the command."""
    duplicate: bool = False
    """The command came before: this is the answer it got then."""
    data: JsonObject = Field(default_factory=dict)
    """What the command made, as a ``session_id`` or ``task_id``."""


class ErrorAnswer(Wire):
    type: Literal["error"] = "error"
    id: str | None = None
    """That of the command, where it could be read."""
    data: "ErrorAnswerData"


class ErrorAnswerData(Wire):
    code: str
    """One of the protocol's error codes."""
    message: str
    """One sentence for people."""
    retry_after_ms: int | None = None
    """When the same command can be sent again."""
    details: JsonObject = Field(default_factory=dict)
    """What else is known; the error codes say what."""


class Pong(Wire):
    type: Literal["pong"] = "pong"
    id: str | None = None
    time: str
    """The server's, UTC, ISO 8601."""


class Limits(Wire):
    """As configured, under the same names. What is of a user counts over all connections and requests."""

    frame_bytes: int
    """Of one frame to the server; a larger one closes the connection."""
    body_bytes: int
    """Of one HTTP request."""
    commands_per_second: float
    """Of one user, in the long run."""
    command_burst: int
    """How many commands may come at once."""
    handshakes_per_second: float
    """How many connections one user may open, in the long run."""
    handshake_burst: int
    """How many may be opened at once."""
    connections_per_user: int
    """How many may be open."""
    subscriptions_per_connection: int
    sessions_per_hour: int
    """How many one user may make."""
    running_tasks_per_user: int
    """How many a user may have that are not ended: waiting, running or paused."""
    connection_bytes: int
    """What is held for a client that reads slowly; a frame of many events is at most a quarter of it."""
    stalled_seconds: float
    """A client that takes nothing for so long is closed with 4008."""
    heartbeat_seconds: float
    """How often a subscription shows that it is alive."""
    hello_seconds: float
    """How long a connection without a token may take to say hello."""
    request_seconds: float
    """How long an HTTP request may take to come whole."""


class Welcome(Wire):
    """The first frame of a connection. ``user`` and ``role`` are empty until it is authenticated."""

    type: Literal["welcome"] = "welcome"
    server_version: str
    protocol: str = PROTOCOL
    user: str | None
    role: str | None
    limits: Limits
    sandbox: str
    """In what the commands of agents run here."""


class Subscribed(Wire):
    type: Literal["subscribed"] = "subscribed"
    id: str | None = None
    session_id: str
    recovered: bool
    """False: the cursor cannot be used, so a ``snapshot`` follows, then all events from the first. A ``snapshot`` follows
    also where only the ``last`` events were asked for and there are others before them."""
    head_seq: int
    """The seq of the last event of the log."""
    epoch: str
    from_seq: int | None = None
    """The first seq that will be sent."""


class TaskView(Wire):
    task_id: str
    session_id: str
    status: Literal["queued", "running", "paused", "completed", "failed", "cancelled"]
    content: str
    """The request."""
    created_at: str
    ended_at: str | None = None


class SessionView(Wire):
    """A session as lists, answers and snapshots show it."""

    session_id: str
    project: str
    """The directory that the session works on."""
    title: str
    status: Literal["idle", "queued", "running", "needs_you", "paused"]
    """``needs_you``: something was asked that only a person can answer."""
    owner: str
    """The user who made it."""
    settings: SessionSettings
    head_seq: int
    """The seq of the last event of its log."""
    epoch: str
    created_at: str
    updated_at: str
    sandbox: str = ""
    """In what the commands of this session run."""
    waiting_for: list[str] = Field(default_factory=list)
    """The ids of what a person has to answer; ``budget`` where a task holds at a limit."""
    members: list[MemberView] = Field(default_factory=list)
    """Who may see the session, besides the server's owners."""
    holder: str | None = None
    """The user who holds control; nobody does where there is none."""
    tasks: list[TaskView] = Field(default_factory=list)


class WorkspaceView(Wire):
    """The files of a session on disk. ``unapplied``: how many changed files the project does not have."""

    session_id: str
    title: str
    project: str
    bytes: int
    """What it takes on disk."""
    used_at: str
    """When the newest of its files was written."""
    unapplied: int


class Snapshot(Wire):
    """The state of a session, for a client whose cursor cannot be used, whose events follow from the first; or who asked
    for the last ones only: then in one frame or several, with what still stands of the events before those."""

    type: Literal["snapshot"] = "snapshot"
    session: SessionView
    standing: list[EventFrame] = Field(default_factory=list)
    """In order, with holes: who takes these in knows of tasks, phases, plan, progress, cost, settings, changed files and
    open questions what it would know from all events; not what was said and done."""
    more: bool = False
    """More of the same follows in the next ``snapshot``."""


class MemorySubscribed(Wire):
    """The state follows as ``memory_snapshot`` where the command had no cursor, or one that cannot be used."""

    type: Literal["subscribed_memory"] = "subscribed_memory"
    id: str | None = None
    """That of the command."""
    project: str
    """The directory; empty in the scope ``user``."""
    scope: MemoryScope
    recovered: bool
    """False: the cursor cannot be used, as it is ahead or of another epoch."""
    memory_seq: int
    """That of the last change."""
    epoch: str
    """Names the memory's changes: a cursor from another epoch says nothing about these."""


class MemorySnapshot(Wire):
    """What is known at ``memory_seq``, in one frame or several; the changes after it follow."""

    type: Literal["memory_snapshot"] = "memory_snapshot"
    memory_seq: int
    epoch: str
    project: str
    scope: MemoryScope
    more: bool
    """More of the same state comes in the next ``memory_snapshot``."""
    entries: list[MemoryEntry]
    """Active ones."""


class MemoryChanged(Wire):
    """A change of a memory that is followed: an entry is new, or changed, or not known any more."""

    type: Literal["memory_added", "memory_updated", "memory_forgotten"]
    memory_seq: int = Field(ge=1)
    """Counts 1, 2, 3, … within the memory, without holes."""
    epoch: str
    project: str
    """The directory; empty in the scope ``user``."""
    scope: MemoryScope
    change: ChangeKind
    """What happened more exactly: a ``superseded`` entry is ``memory_forgotten`` too, a ``restored`` one updated."""
    entry: MemoryEntry
    """As it was after the change."""
    version: int
    """That of the entry."""
    origin: MemoryOrigin
    actor: Actor
    reason: str | None = None
    time: str


class EventPage(Wire):
    """In order. It may have fewer events than ``limit``, because it has at most 8 MiB: there is more to read after it
    where it does not reach ``head_seq``, and before it where it does not begin with 1."""

    events: list[EventFrame]
    head_seq: int
    """The seq of the last event of the log."""
    epoch: str
    recovered: bool = True
    """False: the cursor was ahead; the events are from the first."""


class TaskAccepted(Wire):
    session_id: str
    task_id: str


class CreatedBranch(Wire):
    branch: str
    """Its name."""


class TurnView(Wire):
    """One model call: what was sent anew, and the reply. ``run`` names its conversation, as ``1/research/1``."""

    task_id: str
    phase: str
    run: str
    turn: int
    """The number of the call in its conversation, from 0."""
    model: str
    """The one that answered."""
    request: list[JsonObject]
    """Messages, as they are stored."""
    response: JsonObject
    """The reply, as it is stored."""


class AppliedChanges(Wire):
    files: list[FileChange]
    """What was written into the project."""


class Readiness(Wire):
    status: Literal["ready", "failing", "draining"]
    failing: str | None = None
    """The part that does not answer."""
    detail: str | None = None
    """What is wrong with it."""


class Problem(Wire):
    """RFC 9457, with a stable ``code``."""

    type: str = "about:blank"
    title: str
    """The name of the status."""
    status: int
    detail: str
    """One sentence for people."""
    code: str
    """One of the protocol's error codes."""
    details: JsonObject = Field(default_factory=dict)
    """What else is known; the error codes say what."""
    request_id: str | None = None
    """That of the request in the server's log, as in ``X-Request-Id``."""


ANSWERS = (Ack, ErrorAnswer, Pong, Welcome, Subscribed, Snapshot, MemorySubscribed, MemorySnapshot)
MEMORY_FRAMES = (MemoryChanged,)
DELTAS = (TextDelta, ToolArgumentsDelta, ToolOutputDelta, Presence, Heartbeat, ServerDraining)
