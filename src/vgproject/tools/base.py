"""What a tool is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from vgproject.errors import VgprojectError
from vgproject.schema.base import JsonObject
from vgproject.schema.events import FileChange, RecalledEntry
from vgproject.schema.memory import MemoryEntry, MemoryKind, MemorySource
from vgproject.workspace.background import BackgroundCommands
from vgproject.workspace.workspace import Workspace

Effect = Literal["none", "checkable", "unknown"]
"""What a crash in the middle leaves: nothing, something that can be looked at, or nobody knows."""


class ToolFailure(VgprojectError):  # noqa: N818  (an answer to the model, not an error of the server)
    """The call did not do what was asked; the message tells the model what to do instead."""

    code = "tool_failed"
    http_status = 400
    """Only arguments that a person gives with an approval can fail in a request."""


def masked(what: str) -> ToolFailure:
    """The model has written down a mask where it was not shown a secret."""
    return ToolFailure(
        f"{what} holds a mask like [masked: password], which stands for a secret that you are not shown: nothing was"
        " done. Leave the text around the secret as it is and edit the rest, or have the secret read from the"
        " environment.",
        code="masked",
    )


class KnownThings(Protocol):
    """What a tool may know of memory; `MemorySaver` is it."""

    @property
    def is_full(self) -> bool: ...

    async def recall(self, query: str, limit: int = 10, *, kinds: Sequence[MemoryKind] = ()) -> list[RecalledEntry]: ...

    async def find(self, memory_ids: Sequence[str]) -> dict[str, MemoryEntry]: ...

    async def note_recall(self, entries: Sequence[RecalledEntry], *, scope: str) -> None: ...

    def source_of(self, content: str) -> MemorySource | None: ...


@dataclass(frozen=True)
class ToolContext:
    workspace: Workspace
    memory: KnownThings
    output: Callable[[str], None]
    """Shows text that the tool prints while it runs."""
    keep: Callable[[bytes], Awaitable[JsonObject]]
    """Stores content as a blob and answers how it is named in events."""
    background: BackgroundCommands
    call_id: str
    """Unique in the session."""
    seen: Mapping[str, str]
    """The SHA-256 of each file as the agent last read or wrote it."""
    mask: Callable[[str], str] = str
    """A text without the secrets in it, line by line."""
    message_id: str | None = None
    """Of the turn that calls the tool."""


@dataclass(frozen=True)
class ToolResult:
    """``text`` is for the model, ``details`` for clients and the loop.

    ``details["seen"]`` says which content of a file the agent knows from now on: its SHA-256 by path.
    """

    text: str
    details: JsonObject = field(default_factory=dict)
    changes: Sequence[FileChange] = ()


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character is not allowed")
    text.encode()
    return text


Word = Annotated[str, StringConstraints(min_length=1, max_length=100_000), AfterValidator(_without_nul)]
"""What can be handed to a program."""


class Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tool:
    """A tool that agents can call. ``name`` and ``description`` are what the model sees."""

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: ClassVar[type[BaseModel]]
    effect: ClassVar[Effect] = "none"
    is_contained: ClassVar[bool] = True
    """Whether what it does stays in the session's workspace and the sandbox."""

    async def run(self, arguments: Any, context: ToolContext) -> ToolResult:
        raise NotImplementedError

    async def find_done(self, arguments: Any, context: ToolContext) -> ToolResult | None:
        """The result of a call that was interrupted, where it turns out to be done already."""
        return None
