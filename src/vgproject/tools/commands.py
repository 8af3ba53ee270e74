"""Running commands in the workspace."""

from typing import ClassVar

from pydantic import Field

from vgproject.schema.base import JsonObject
from vgproject.tools.base import Arguments, Effect, Tool, ToolContext, ToolResult, Word, masked
from vgproject.utils.secrets import count_masks
from vgproject.utils.text import keep_ends
from vgproject.workspace.processes import CommandResult

MAX_MODEL_CHARACTERS = 15_000


class RunArguments(Arguments):
    command: Word
    timeout_seconds: float = Field(default=120, gt=0, le=3600)


class RunCommand(Tool):
    name = "run_command"
    description = "Run a shell command in the workspace; it gets no input, and nothing of it goes on running after."
    arguments: ClassVar[type[RunArguments]] = RunArguments
    effect: ClassVar[Effect] = "unknown"

    async def run(self, arguments: RunArguments, context: ToolContext) -> ToolResult:
        if count_masks(arguments.command):
            raise masked("The command")
        before = await context.workspace.checkpoint("before a command")
        result = await context.workspace.run(
            arguments.command, timeout_seconds=arguments.timeout_seconds, on_output=context.output
        )
        changes = await context.workspace.changes(before.id)
        details: JsonObject = {"exit_code": result.exit_code, "reason": result.reason}
        output = result.output
        if len(output) > 2 * MAX_MODEL_CHARACTERS:
            details["output"] = await context.keep(result.content)
        shown = keep_ends(output, MAX_MODEL_CHARACTERS).rstrip() or "(no output)"
        return ToolResult(f"{shown}\n{_end(result, arguments)}", details, changes)


def _end(result: CommandResult, arguments: RunArguments) -> str:
    match result.reason:
        case "exit":
            return f"Exit code {result.exit_code}."
        case "timeout":
            return f"Ended after {arguments.timeout_seconds:g} seconds, unfinished."
        case "output_limit":
            return f"Ended because it printed more than {len(result.content)} bytes."
        case "oom":
            return "Ended because it used too much memory."
        case "disk_limit":
            return "Ended because its files took too much room."
        case "killed":
            by = f" by signal {result.exit_code - 128}" if result.exit_code else ""
            return f"The command was killed{by}."


class NoArguments(Arguments):
    pass


class GitDiff(Tool):
    name = "git_diff"
    description = "Show all that has been changed in the workspace so far, as a unified diff."
    arguments = NoArguments

    async def run(self, arguments: NoArguments, context: ToolContext) -> ToolResult:
        return ToolResult(keep_ends(await context.workspace.diff(), MAX_MODEL_CHARACTERS) or "Nothing is changed.")
