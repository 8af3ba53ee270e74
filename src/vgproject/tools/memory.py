"""Remembering and recalling."""

from pydantic import Field

from vgproject.schema.memory import MemoryKind
from vgproject.tools.base import Arguments, Tool, ToolContext, ToolResult


class RememberArguments(Arguments):
    kind: MemoryKind = "key_fact"
    content: str = Field(min_length=1, max_length=4_000)


class Remember(Tool):
    """Only says what is to be noted; the loop notes it, so that it is noted again after a crash."""

    name = "remember"
    description = "Keep a fact about the project for later tasks."
    arguments = RememberArguments

    async def run(self, arguments: RememberArguments, context: ToolContext) -> ToolResult:
        return ToolResult("Noted.", {"note": arguments.model_dump()})


class RecallArguments(Arguments):
    query: str = Field(min_length=1)


class RecallMemory(Tool):
    name = "recall"
    description = "Look for what is known about the project from earlier tasks."
    arguments = RecallArguments

    async def run(self, arguments: RecallArguments, context: ToolContext) -> ToolResult:
        entries = await context.memory.recall(arguments.query)
        return ToolResult("\n".join(f"- ({entry.kind}) {entry.content}" for entry in entries) or "Nothing is known.")
