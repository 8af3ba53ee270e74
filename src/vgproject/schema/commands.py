"""Commands: what a client can ask for. One union, told apart by ``type``."""

from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from vgproject.schema.agent_outputs import Plan
from vgproject.schema.base import Id, JsonObject, Phase, ShortText, Text, Wire
from vgproject.schema.memory import MemoryKind
from vgproject.schema.settings import ModelName, SessionSettings


class Command(Wire):
    """``id`` makes a command repeatable: sent again by the same client it has no second effect."""

    type: str
    id: Id | None = None
    session_id: Id | None = None


class Hello(Command):
    type: Literal["hello"] = "hello"
    token: str | None = None
    client: ShortText | None = None


class Ping(Command):
    type: Literal["ping"] = "ping"


class NewSession(Wire):
    project: ShortText | None = Field(default=None, description="A directory of the server; default: its project.")
    title: ShortText | None = None
    settings: SessionSettings = SessionSettings()


class CreateSession(NewSession, Command):
    type: Literal["create_session"] = "create_session"


class Subscribe(Command):
    type: Literal["subscribe"] = "subscribe"
    after: int = Field(default=0, ge=0, description="The seq of the last event the client has.")
    epoch: Id | None = None
    deltas: Literal["all", "coalesced", "none"] = "all"


class Unsubscribe(Command):
    type: Literal["unsubscribe"] = "unsubscribe"


class NewTask(Wire):
    content: Text
    research_only: bool = False
    plan_only: bool = False
    pipeline: ShortText | None = None
    model: ModelName | None = None
    settings: SessionSettings = SessionSettings()


class TaskCommand(NewTask, Command):
    """Without ``session_id``: a new session in the default project, to which the connection is subscribed."""

    type: Literal["task"] = "task"


class Message(Command):
    type: Literal["message"] = "message"
    content: Text
    delivery: Literal["steer", "queue"] = "steer"


class Cancel(Command):
    type: Literal["cancel"] = "cancel"
    task_id: Id | None = None
    reason: ShortText | None = None


class Pause(Command):
    type: Literal["pause"] = "pause"
    task_id: Id | None = None


class Resume(Command):
    type: Literal["resume"] = "resume"
    task_id: Id | None = None


class Retry(Command):
    type: Literal["retry"] = "retry"
    task_id: Id | None = None
    phase: Phase | None = None


class ResolveApproval(Command):
    type: Literal["resolve_approval"] = "resolve_approval"
    approval_id: Id
    decision: Literal["approve", "approve_for_session", "deny"]
    arguments: JsonObject | None = None
    reason: ShortText | None = None


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


class UpdateSettings(Command):
    type: Literal["update_settings"] = "update_settings"
    settings: SessionSettings


class Rewind(Command):
    """Files and conversation back to the last checkpoint at or before ``to_seq``."""

    type: Literal["rewind"] = "rewind"
    to_seq: int = Field(ge=1)


class NewFork(Wire):
    to_seq: int | None = Field(default=None, ge=1, description="The moment to begin from; default: now.")


class NewMemory(Wire):
    kind: MemoryKind = "key_fact"
    content: Text


class Remember(NewMemory, Command):
    type: Literal["remember"] = "remember"


class MemoryChange(Wire):
    content: Text
    version: int = Field(ge=1, description="The version that is changed; another one now is a `conflict`.")


class UpdateMemory(MemoryChange, Command):
    type: Literal["update_memory"] = "update_memory"
    memory_id: Id


class Forget(Command):
    type: Literal["forget"] = "forget"
    memory_id: Id
    version: int | None = Field(default=None, ge=1)


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
    | Rewind
    | Remember
    | UpdateMemory
    | Forget,
    Field(discriminator="type"),
]

COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand)

COMMAND_TYPES = frozenset(str(kind.model_fields["type"].default) for kind in get_args(get_args(AnyCommand)[0]))
