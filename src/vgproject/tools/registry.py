"""The tools by name."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_ai.tools import ToolDefinition

from vgproject.tools.apply_patch import ApplyPatch
from vgproject.tools.base import Tool, ToolFailure
from vgproject.tools.commands import GitDiff, ReadOutput, RunCommand, StopCommand
from vgproject.tools.consult import AskExpert, AskUser, Delegate
from vgproject.tools.mcp import PREFIX, McpServer
from vgproject.tools.memory import RecallMemory, Remember
from vgproject.tools.phases import SubmitAnswer, SubmitImplementation, SubmitPlan, SubmitResearch, UpdatePlanStep
from vgproject.tools.read_file import ReadFile
from vgproject.tools.search import ListFiles, SearchFiles
from vgproject.tools.write_file import EditFile, WriteFile

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        ReadFile(),
        ListFiles(),
        SearchFiles(),
        WriteFile(),
        EditFile(),
        ApplyPatch(),
        RunCommand(),
        ReadOutput(),
        StopCommand(),
        GitDiff(),
        Remember(),
        RecallMemory(),
        UpdatePlanStep(),
        AskUser(),
        AskExpert(),
        Delegate(),
        SubmitAnswer(),
        SubmitResearch(),
        SubmitPlan(),
        SubmitImplementation(),
    )
}


class Toolbox:
    """All tools that there are: built-in ones, those that configuration adds, and those of MCP servers, which come
    and go with their server's answers."""

    def __init__(self, added: Iterable[Tool] = (), servers: Sequence[McpServer] = ()) -> None:
        self._tools = {**TOOLS, **{tool.name: tool for tool in added}}
        self._servers = servers

    def find(self, name: str) -> Tool | None:
        found = (server.tools[name] for server in self._servers if name in server.tools)
        return self._tools.get(name) or next(found, None)

    def of_servers(self, *, only_read: bool) -> list[str]:
        found = [tool for server in self._servers for tool in server.tools.values()]
        return [tool.name for tool in found if tool.effect == "none" or not only_read]

    def may_exist(self, name: str) -> bool:
        """Whether a phase can be given this tool, now or when its MCP server answers."""
        return name in self._tools or any(name.startswith(f"{PREFIX}{server.name}__") for server in self._servers)

    def names(self) -> list[str]:
        """What a phase can be given, but for the tools with which it submits its result."""
        built_in = sorted(name for name in self._tools if not name.startswith("submit_"))
        return [*built_in, *(f"{PREFIX}{server.name}__…" for server in self._servers)]

    async def prepare(self) -> None:
        """Wait until every MCP server that is likely to answer has told its tools."""
        await asyncio.gather(*(server.expect() for server in self._servers))

    def definitions(self, names: Sequence[str]) -> list[ToolDefinition]:
        """How the tools are told to a model."""
        return [
            ToolDefinition(
                name=name,
                description=tool.description,
                parameters_json_schema=tool.arguments.model_json_schema(),
            )
            for name in names
            if (tool := self.find(name))
        ]


def parse_arguments(tool: Tool, raw: str | dict[str, Any] | None) -> BaseModel:
    """Raises `ToolFailure` (``invalid_arguments``) that says what is wrong, for the model to mend."""
    try:
        values = orjson.loads(raw or "{}") if isinstance(raw, str) or raw is None else raw
        return tool.arguments.model_validate(values)
    except orjson.JSONDecodeError as error:
        raise ToolFailure(f"The arguments of {tool.name} are not JSON: {error}", code="invalid_arguments") from error
    except ValidationError as error:
        wrong = "; ".join(": ".join(filter(None, (_path(item["loc"]), item["msg"]))) for item in error.errors())
        raise ToolFailure(f"The arguments of {tool.name} are not right: {wrong}.", code="invalid_arguments") from error


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))
