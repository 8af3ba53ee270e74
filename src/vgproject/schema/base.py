"""What every wire type shares."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Phase = str
"""``research``, ``planning``, ``implementation``, or a phase that a pipeline adds."""

PhaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]
"""Of a phase in configuration. It can be a strategy's short name, and never a path to code."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
CommentText = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
JsonObject = dict[str, Any]


class Wire(BaseModel):
    """A value that crosses a boundary: frozen, and closed to fields it does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Actor(Wire):
    """Who did it."""

    kind: Literal["user", "agent", "server"]
    id: str
    """The user's id; of an agent, its phase."""


class EventData(Wire):
    """The ``data`` of one event type. A released class may gain optional fields, never lose or change one."""

    type: ClassVar[str]
