"""A call of a language model, its reply, and who listens while it speaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.tools import ToolDefinition

from vgproject.schema.events import Usage


@dataclass(frozen=True)
class ModelCall:
    """``model`` is ``PROVIDER:NAME``, or several with commas: the next is asked where one fails for good."""

    model: str
    phase: str
    turn: int
    messages: Sequence[ModelMessage]
    instructions: str
    tools: Sequence[ToolDefinition]
    thread_id: str = ""
    """The conversation of the task, with the attempt: ``1/research/1``."""


@dataclass(frozen=True)
class ModelReply:
    response: ModelResponse
    model: str
    usage: Usage


class ModelListener(Protocol):
    """``offset`` is how many characters of the same text came before."""

    def on_text(self, text: str, offset: int) -> None: ...

    def on_reasoning(self, text: str, offset: int) -> None: ...

    def on_tool_arguments(self, tool_call_id: str, tool: str, text: str, offset: int) -> None: ...

    async def on_retry(self, attempt: int, delay_ms: int, reason: str) -> None:
        """The call is made again after ``delay_ms``; what was heard of it so far does not count."""

    async def on_fallback(self, from_model: str, to_model: str, reason: str) -> None: ...


class Backend(Protocol):
    """Makes one call, once. Raises `ModelError`, ``retryable`` where another try may help."""

    async def request(self, call: ModelCall, listener: ModelListener, *, attempt: int) -> ModelReply: ...
