"""A tool of an MCP server, as agents are offered it."""

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from typing import Any, ClassVar, cast

import mcp_types as types
from jsonschema import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import BaseModel, RootModel, model_validator
from pydantic_core import PydanticCustomError
from referencing import Registry
from referencing.exceptions import Unresolvable

from vgproject.schema.base import JsonObject
from vgproject.tools.base import Effect, Tool, ToolContext, ToolResult
from vgproject.tools.mcp import PREFIX, CallTool, McpSettings
from vgproject.tools.rendering import bounded
from vgproject.utils.text import shorten

logger = logging.getLogger(__name__)

MAX_NAME_CHARACTERS = 64
"""What the strictest of the providers accepts."""
MAX_TOOLS = 128
MAX_DESCRIPTION_CHARACTERS = 4_000
MAX_SCHEMA_CHARACTERS = 64_000
MAX_COMPLAINTS = 5


class McpTool(Tool):
    """The base of one class for each tool of each server."""

    is_contained: ClassVar[bool] = False
    _listed: ClassVar[str]
    _call: CallTool

    def __init__(self, call: CallTool) -> None:
        self._call = call

    async def run(self, arguments: RootModel[JsonObject], context: ToolContext) -> ToolResult:
        result = await self._call(self._listed, arguments.root, context.output)
        return await bounded(result.text, context, result.details)


def make_tools(server: str, settings: McpSettings, listed: Iterable[types.Tool], call: CallTool) -> list[Tool]:
    """Those of ``listed`` that configuration allows and that can be offered to a model."""
    allowed = [tool for tool in listed if settings.tools is None or tool.name in settings.tools]
    for missing in set(settings.tools or ()) - {tool.name for tool in allowed}:
        logger.warning("The MCP server %s has no tool %r.", server, missing)
    if len(allowed) > MAX_TOOLS:
        logger.warning("Of the %d tools of the MCP server %s, the first %d are used.", len(allowed), server, MAX_TOOLS)
    made: dict[str, Tool] = {}
    for tool in allowed[:MAX_TOOLS]:
        try:
            arguments = arguments_of(tool.input_schema)
        except (SchemaError, RecursionError) as error:
            logger.warning("The tool %r of the MCP server %s is not used: %s", tool.name, server, str(error)[:300])
            continue
        name = tool_name(server, tool.name)
        if name in made:
            name = _with_digest(name, tool.name)
        made[name] = _make(name, tool, settings.effects.get(tool.name) or _effect(tool), arguments, call)
    return list(made.values())


def _make(name: str, tool: types.Tool, effect: Effect, arguments: type[BaseModel], call: CallTool) -> Tool:
    described = shorten((tool.description or tool.title or tool.name).strip(), MAX_DESCRIPTION_CHARACTERS)
    members = {
        "name": name,
        "description": described,
        "arguments": arguments,
        "effect": effect,
        "_listed": tool.name,
    }
    return cast(type[McpTool], type("ListedMcpTool", (McpTool,), members))(call)


def _effect(tool: types.Tool) -> Effect:
    return "none" if tool.annotations and tool.annotations.read_only_hint else "unknown"


def tool_name(server: str, tool: str) -> str:
    """``mcp__SERVER__TOOL`` in the characters that providers accept, and not longer than they accept."""
    name = f"{PREFIX}{server}__{re.sub('[^a-zA-Z0-9_-]', '_', tool)}"
    return name if len(name) <= MAX_NAME_CHARACTERS else _with_digest(name, tool)


def _with_digest(name: str, tool: str) -> str:
    return f"{name[: MAX_NAME_CHARACTERS - 9]}_{hashlib.sha256(tool.encode()).hexdigest()[:8]}"


def arguments_of(schema: JsonObject) -> type[RootModel[JsonObject]]:
    """Checks what a model calls the tool with. Raises `SchemaError`."""
    if len(json.dumps(schema)) > MAX_SCHEMA_CHARACTERS:
        raise SchemaError(f"its schema has more than {MAX_SCHEMA_CHARACTERS} characters")
    kind = validator_for(schema)
    kind.check_schema(schema)
    # A registry of its own, so that nothing is fetched for a reference.
    validator: Validator = kind(schema, registry=Registry())

    class McpArguments(RootModel[dict[str, Any]]):
        @model_validator(mode="after")
        def _fits(self) -> "McpArguments":
            if wrong := complaints(validator, self.root):
                raise PydanticCustomError("json_schema", "{wrong}", {"wrong": wrong})
            return self

        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> JsonObject:
            return schema

    return McpArguments


def complaints(validator: Validator, arguments: JsonObject) -> str:
    try:
        found = list(validator.iter_errors(arguments))
    except (Unresolvable, RecursionError) as error:
        return f"they cannot be checked against the tool's schema ({type(error).__name__})"
    said = [f"{error.json_path}: {shorten(error.message, 300)}" for error in found[:MAX_COMPLAINTS]]
    return "; ".join(said)
