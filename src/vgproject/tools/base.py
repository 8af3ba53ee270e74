"""What a tool is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from vgproject.errors import VgprojectError
from vgproject.schema.base import JsonObject
from vgproject.schema.events import FileChange, RecalledEntry
from vgproject.workspace.workspace import Workspace

Effect = Literal["none", "checkable", "unknown"]
"""What a crash in the middle leaves: nothing, something that can be looked at, or nobody knows."""


class ToolFailure(VgprojectError):  # noqa: N818  (an answer to the model, not an error of the server)
    """The call did not do what was asked; the message tells the model what to do instead."""

    code = "tool_failed"


class Recall(Protocol):
    async def recall(self, query: str, limit: int = 10) -> list[RecalledEntry]: ...


@dataclass(frozen=True)
class ToolContext:
    workspace: Workspace
    memory: Recall
    output: Callable[[str], None]
    """Shows text that the tool prints while it runs."""


@dataclass(frozen=True)
class ToolResult:
    """``text`` is for the model, ``details`` for clients and the loop."""

    text: str
    details: JsonObject = field(default_factory=dict)
    changes: Sequence[FileChange] = ()


class Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tool:
    """A tool that agents can call. ``name`` and ``description`` are what the model sees."""

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: ClassVar[type[BaseModel]]
    effect: ClassVar[Effect] = "none"

    async def run(self, arguments: Any, context: ToolContext) -> ToolResult:
        raise NotImplementedError

    async def find_done(self, arguments: Any, context: ToolContext) -> ToolResult | None:
        """The result of a call that was interrupted, where it turns out to be done already."""
        return None
