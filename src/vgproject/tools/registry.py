"""The tools by name."""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_ai.tools import ToolDefinition

from vgproject.tools.apply_patch import ApplyPatch
from vgproject.tools.base import Tool, ToolFailure
from vgproject.tools.commands import GitDiff, ReadOutput, RunCommand, StopCommand
from vgproject.tools.consult import AskExpert, AskUser, Delegate
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


def definitions(names: Sequence[str]) -> list[ToolDefinition]:
    """How the tools are told to a model."""
    return [
        ToolDefinition(
            name=name,
            description=TOOLS[name].description,
            parameters_json_schema=TOOLS[name].arguments.model_json_schema(),
        )
        for name in names
    ]


def parse_arguments(tool: Tool, raw: str | dict[str, Any] | None) -> BaseModel:
    """Raises `ToolFailure` (``invalid_arguments``) that says what is wrong, for the model to mend."""
    try:
        values = orjson.loads(raw or "{}") if isinstance(raw, str) or raw is None else raw
        return tool.arguments.model_validate(values)
    except orjson.JSONDecodeError as error:
        raise ToolFailure(f"The arguments of {tool.name} are not JSON: {error}", code="invalid_arguments") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ToolFailure(f"The arguments of {tool.name} are not right: {wrong}.", code="invalid_arguments") from error
