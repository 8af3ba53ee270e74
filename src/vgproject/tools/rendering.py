"""Long text of a tool: a bounded part for the model, the whole for clients."""

from vgproject.schema.base import JsonObject
from vgproject.tools.base import ToolContext, ToolResult
from vgproject.utils.text import keep_ends

MAX_MODEL_CHARACTERS = 15_000


async def bounded(text: str, context: ToolContext, details: JsonObject) -> ToolResult:
    """The ends of ``text``; where that leaves something out, all of it is kept as ``details["output"]``."""
    if len(text) <= 2 * MAX_MODEL_CHARACTERS:
        return ToolResult(text, details)
    kept = await context.keep(text.encode(errors="replace"))
    return ToolResult(keep_ends(text, MAX_MODEL_CHARACTERS), {**details, "output": kept})
