"""Running commands in the workspace."""

from typing import ClassVar

from pydantic import Field

from vgproject.tools.base import Arguments, Effect, Tool, ToolContext, ToolResult
from vgproject.utils.text import keep_ends

MAX_MODEL_CHARACTERS = 15_000


class RunArguments(Arguments):
    command: str = Field(min_length=1)
    timeout_seconds: float = Field(default=120, gt=0, le=3600)


class RunCommand(Tool):
    name = "run_command"
    description = "Run a shell command in the workspace; it gets no input, and nothing of it goes on running after."
    arguments = RunArguments
    effect: ClassVar[Effect] = "unknown"

    async def run(self, arguments: RunArguments, context: ToolContext) -> ToolResult:
        before = {change.path: change for change in await context.workspace.changes()}
        result = await context.workspace.run(
            arguments.command, timeout_seconds=arguments.timeout_seconds, on_output=context.output
        )
        after = await context.workspace.changes()
        output = keep_ends(result.output, MAX_MODEL_CHARACTERS) or "(no output)"
        ends = {
            "exit": f"Exit code {result.exit_code}.",
            "timeout": f"Ended after {arguments.timeout_seconds:g} seconds, unfinished.",
            "output_limit": "Ended because it printed too much.",
            "oom": "Ended because it used too much memory.",
            "disk_limit": "Ended because its files took too much room.",
        }
        return ToolResult(
            f"{output.rstrip()}\n{ends[result.reason]}",
            {"exit_code": result.exit_code, "reason": result.reason},
            [change for change in after if before.get(change.path) != change],
        )


class NoArguments(Arguments):
    pass


class GitDiff(Tool):
    name = "git_diff"
    description = "Show all that has been changed in the workspace so far, as a unified diff."
    arguments = NoArguments

    async def run(self, arguments: NoArguments, context: ToolContext) -> ToolResult:
        return ToolResult(keep_ends(await context.workspace.diff(), MAX_MODEL_CHARACTERS) or "Nothing is changed.")
