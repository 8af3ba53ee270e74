"""Commands: what a client can ask for. One union, told apart by ``type``."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, TypeAdapter, model_validator

from vgproject.schema.access import MemberName, Role, UserName
from vgproject.schema.agent_outputs import Plan
from vgproject.schema.base import CommentText, Id, JsonObject, Phase, ShortText, Text, Wire
from vgproject.schema.memory import (
    MAX_TAGS,
    Confidence,
    Content,
    MemoryKind,
    MemoryScope,
    Place,
    Settlement,
    Tag,
)
from vgproject.schema.presence import PresenceStatus
from vgproject.schema.settings import ModelName, SessionSettings


class Command(Wire):
    """``id`` makes a command repeatable: sent again by the same client it has no second effect."""

    type: str
    id: Id | None = None
    """Chosen by the client; the answer has it too. Without it the command cannot be repeated safely."""
    session_id: Id | None = None
    """The session that the command is for."""


class Hello(Command):
    """As another user, or in another role, it ends what the connection followed before."""

    type: Literal["hello"] = "hello"
    token: str | None = None
    """Needed where the handshake had none."""
    client: ShortText | None = None
    """A name for the client: with it, a repeated ``id`` is known again also on another connection."""


class Ping(Command):
    type: Literal["ping"] = "ping"


class NewSession(Wire):
    project: ShortText | None = None
    """A directory of the server; default: its project."""
    title: ShortText | None = None
    """By default the name of the project's directory."""
    settings: SessionSettings = SessionSettings()
    """What the session chooses; it wins over the server's configuration."""


class CreateSession(NewSession, Command):
    type: Literal["create_session"] = "create_session"


class Subscribe(Command):
    type: Literal["subscribe"] = "subscribe"
    after: int = Field(default=0, ge=0)
    """The seq of the last event the client has."""
    last: int | None = Field(default=None, ge=1, le=10_000)
    """In place of ``after``: so many events from the end, then the live ones. ``subscribed`` says from which on."""
    epoch: Id | None = None
    """The epoch that the client has; where the log's is another, ``after`` does not count."""
    deltas: Literal["all", "coalesced", "none"] = "all"
    """Passing text as it comes, in fewer and larger pieces, or not at all."""

    @model_validator(mode="after")
    def _has_one_cursor(self) -> Self:
        if self.last is not None and self.after:
            raise ValueError("either `after` or `last`, not both")
        return self


class Unsubscribe(Command):
    type: Literal["unsubscribe"] = "unsubscribe"


class NewTask(Wire):
    content: Text
    """The request, in plain words."""
    research_only: bool = False
    """End after research."""
    plan_only: bool = False
    """End with the plan."""
    pipeline: ShortText | None = None
    """The name of a configured pipeline; default: ``standard``."""
    model: ModelName | None = None
    """As ``settings.model``, and wins over it."""
    settings: SessionSettings = SessionSettings()
    """For this task only; they win over the session's."""


class TaskCommand(NewTask, Command):
    """Without ``session_id``: a new session in the default project, to which the connection is subscribed."""

    type: Literal["task"] = "task"


class Message(Command):
    type: Literal["message"] = "message"
    content: Text
    delivery: Literal["steer", "queue"] = "steer"
    """``steer``: the running task takes it up at its next turn; where none runs, and with ``queue``, it is a new task."""


class Cancel(Command):
    type: Literal["cancel"] = "cancel"
    task_id: Id | None = None
    """By default the task that runs, else the one that waits."""
    reason: ShortText | None = None
    """Told with the end of the task."""


class Pause(Command):
    type: Literal["pause"] = "pause"
    task_id: Id | None = None
    """By default the task that runs, else the one that waits."""


class Resume(Command):
    type: Literal["resume"] = "resume"
    task_id: Id | None = None
    """By default the task that runs or is paused."""


class Retry(Command):
    type: Literal["retry"] = "retry"
    task_id: Id | None = None
    """By default the last task of the session."""
    phase: Phase | None = None
    """Where to go on from; by default the last phase that began."""


class ResolveApproval(Command):
    type: Literal["resolve_approval"] = "resolve_approval"
    approval_id: Id
    decision: Literal["approve", "approve_for_session", "deny"]
    """``approve_for_session`` covers this very command from now on, or this tool where it takes no command."""
    arguments: JsonObject | None = None
    """Run the call with these instead of those that were asked for."""
    reason: ShortText | None = None
    """Told to the agent where the call is denied."""


class ResolvePlan(Command):
    """The gate between planning and implementation. ``plan`` replaces the proposed one."""

    type: Literal["resolve_plan"] = "resolve_plan"
    approval_id: Id
    decision: Literal["approve", "revise", "reject"]
    plan: Plan | None = None
    reason: ShortText | None = None


class AnswerQuestion(Command):
    type: Literal["answer"] = "answer"
    question_id: Id
    content: Text


class ResolveRecovery(Command):
    type: Literal["resolve_recovery"] = "resolve_recovery"
    recovery_id: Id
    decision: Literal["run_again", "skip", "mark_done"]
    """Run the call again, go on without it and tell the agent so, or take it as done."""


class UpdateSettings(Command):
    type: Literal["update_settings"] = "update_settings"
    settings: SessionSettings
    """Only what is named changes, from the next turn on."""


class RenameSession(Command):
    type: Literal["rename_session"] = "rename_session"
    title: ShortText


class SessionPatch(SessionSettings):
    """What is named changes."""

    title: ShortText | None = None
    """Another title for the session."""

    @property
    def settings(self) -> SessionSettings:
        return SessionSettings(**self.model_dump(exclude={"title"}, exclude_unset=True))


class Rewind(Command):
    """Files and conversation back to the last checkpoint at or before ``to_seq``."""

    type: Literal["rewind"] = "rewind"
    to_seq: int = Field(ge=1)
    """A seq of the session's log."""


class NewFork(Wire):
    to_seq: int | None = Field(default=None, ge=1)
    """The moment to begin from; default: now."""


class NewMemory(Wire):
    kind: MemoryKind = "key_fact"
    content: Content
    """The entry itself; where the memory has one that says the same, that one stays."""
    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)
    confidence: Confidence = "likely"
    place: Place | None = None
    """The file, or lines of it, that it is about."""
    scope: MemoryScope = "project"
    """Whose memory: the project's, or the user's own, which no other user sees."""
    project: ShortText | None = None
    """The project's directory; default: that of the session, else the server's."""
    replaces: list[Id] = Field(default_factory=list, max_length=100)
    """Ids of entries of the same memory whose place it takes."""


class Remember(NewMemory, Command):
    type: Literal["remember"] = "remember"


class MemoryEdit(Wire):
    """What is named changes, and something must be."""

    version: int = Field(ge=1)
    """The version that is changed; another one now is a ``conflict``."""
    content: Content | None = None
    """What the entry says from now on."""
    kind: MemoryKind | None = None
    tags: list[Tag] | None = Field(default=None, max_length=MAX_TAGS)
    """In place of those it has."""
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if all(value is None for value in (self.content, self.kind, self.tags, self.confidence)):
            raise ValueError("one of content, kind, tags and confidence must be given")
        return self


class UpdateMemory(MemoryEdit, Command):
    type: Literal["update_memory"] = "update_memory"
    memory_id: Id


class Forget(Command):
    type: Literal["forget"] = "forget"
    memory_id: Id
    version: int | None = Field(default=None, ge=1)
    """The version that is meant; another one now is a ``conflict``. By default whichever it is."""
    reason: ShortText | None = None
    """Told with the change."""


class MemoryRestore(Wire):
    to_version: int | None = Field(default=None, ge=1)
    """The version whose text, kind, tags and confidence come back; default: as it was last."""


class RestoreMemory(MemoryRestore, Command):
    """What was forgotten or superseded is known again. An entry that is so already stays as it is."""

    type: Literal["restore_memory"] = "restore_memory"
    memory_id: Id


class MemorySettlement(Wire):
    settlement: Settlement
    """Which of the two entries is right, by their order in the conflict; with ``rewrite`` a new text is."""
    content: Content | None = None
    """The new text, with ``rewrite`` only."""
    reason: ShortText | None = None
    """Told with the changes."""


class SettleMemory(MemorySettlement, Command):
    type: Literal["settle_memory"] = "settle_memory"
    conflict_id: Id


class WhichMemory(Wire):
    project: ShortText | None = None
    """The project's directory; default: that of the session, else the server's."""
    scope: MemoryScope = "project"
    """``user`` is the memory of the user who asks."""


class SubscribeMemory(WhichMemory, Command):
    """The state of the memory, then each change of it; with a cursor only the changes after it."""

    type: Literal["subscribe_memory"] = "subscribe_memory"
    after: int = Field(default=0, ge=0)
    """The ``memory_seq`` of the last change the client has."""
    epoch: Id | None = None
    """The epoch that the client has; where the memory's is another, ``after`` does not count."""


class UnsubscribeMemory(WhichMemory, Command):
    type: Literal["unsubscribe_memory"] = "unsubscribe_memory"


class AddMember(Command):
    type: Literal["add_member"] = "add_member"
    user: MemberName
    """``*`` is everybody whom the server knows: then the session is shared."""
    role: Role | None = None
    """The most that the member may do in the session, of what the member's token allows. By default all of that."""


class RemoveMember(Command):
    """Whoever is a member may leave."""

    type: Literal["remove_member"] = "remove_member"
    user: MemberName


class SetRole(Command):
    type: Literal["set_role"] = "set_role"
    user: MemberName
    role: Role | None
    """As in ``add_member``."""


class SetPresence(Command):
    """What this connection is seen as in a session that it is subscribed to."""

    type: Literal["set_presence"] = "set_presence"
    status: PresenceStatus
    """``typing`` is to be said again every few seconds: else it is ``watching`` again."""


class Comment(Command):
    """A remark of people among themselves: no model is told of it."""

    type: Literal["comment"] = "comment"
    content: CommentText
    seq: int | None = Field(default=None, ge=1)
    """The event that it is about."""
    step_id: Id | None = None
    """The plan's step that it is about, in the newest plan that has one with this id. With neither it is about the
    session."""

    @model_validator(mode="after")
    def _is_about_one(self) -> Self:
        if self.seq is not None and self.step_id is not None:
            raise ValueError("a comment is about an event or about a step, not both")
        return self


class ResolveComment(Command):
    type: Literal["resolve_comment"] = "resolve_comment"
    comment_id: Id


class RequestControl(Command):
    """Control of a session is had at once where nobody holds it, else the holder is asked."""

    type: Literal["request_control"] = "request_control"


class HandOver(Command):
    """By who holds control, or an owner of the session: to somebody else, or to oneself."""

    type: Literal["hand_over"] = "hand_over"
    user: UserName


class ReleaseControl(Command):
    """By who holds control, or an owner of the session: then nobody holds it."""

    type: Literal["release_control"] = "release_control"


class RevokeApprovals(Command):
    """What a person has approved for the session is asked again from the next turn on."""

    type: Literal["revoke_approvals"] = "revoke_approvals"
    user: UserName | None = None
    """Whose approvals; default: one's own. Those of others are for an owner of the session."""


AnyCommand = Annotated[
    Hello
    | Ping
    | CreateSession
    | Subscribe
    | Unsubscribe
    | TaskCommand
    | Message
    | Cancel
    | Pause
    | Resume
    | Retry
    | ResolveApproval
    | ResolvePlan
    | AnswerQuestion
    | ResolveRecovery
    | UpdateSettings
    | RenameSession
    | Rewind
    | Remember
    | UpdateMemory
    | Forget
    | RestoreMemory
    | SettleMemory
    | SubscribeMemory
    | UnsubscribeMemory
    | AddMember
    | RemoveMember
    | SetRole
    | SetPresence
    | Comment
    | ResolveComment
    | RequestControl
    | HandOver
    | ReleaseControl
    | RevokeApprovals,
    Field(discriminator="type"),
]

MemoryCommand = Remember | UpdateMemory | Forget | RestoreMemory | SettleMemory
"""Those that change memory."""

COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand)

COMMAND_TYPES = frozenset(str(kind.model_fields["type"].default) for kind in get_args(get_args(AnyCommand)[0]))
