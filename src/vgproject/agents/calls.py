"""A tool call on its way, and how it ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from pydantic_ai.messages import ToolCallPart

from vgproject.agents.base import Action, Json
from vgproject.schema.base import JsonObject
from vgproject.schema.events import FileChange
from vgproject.tools.base import Tool, ToolFailure, ToolResult

Consult = Callable[[Any], Awaitable[ToolResult]]
"""Answers a call that is no step of its own; it takes the call's arguments."""


class Outcome(BaseModel):
    """How a tool call ended; recorded as the result of its step."""

    ok: bool
    text: str
    code: str = ""
    details: JsonObject = Field(default_factory=dict)
    changes: list[FileChange] = Field(default_factory=list)
    checkpoint_id: str | None = None
    skipped: list[str] = Field(default_factory=list)
    duration_ms: int = 0


@dataclass
class Call:
    """A call on its way. ``id`` is unique in the session; the model knows the call by ``part.tool_call_id``."""

    id: str
    part: ToolCallPart
    tool: Tool | None
    arguments: JsonObject
    problem: ToolFailure | None
    approval_reason: str | None
    message_id: str
    """Of the turn that it is part of."""
    asked_at: str = ""
    """When approval was asked for, as the log has it."""
    edited: bool = False
    """A person has changed the arguments."""
    step: Callable[[Action], Awaitable[Json]] | None = None
    consult: Consult | None = None

    @property
    def only_reads(self) -> bool:
        return self.tool is None or self.tool.effect == "none"
