"""Running commands in the workspace, to their end or in the background."""

from typing import ClassVar

from pydantic import Field

from vgproject.schema.base import Id, JsonObject
from vgproject.tools.base import Arguments, Effect, Tool, ToolContext, ToolResult, Word, masked
from vgproject.utils.ids import derived_id
from vgproject.utils.secrets import count_masks
from vgproject.utils.text import keep_ends
from vgproject.workspace.background import BackgroundCommand
from vgproject.workspace.processes import CommandResult
from vgproject.workspace.test_summaries import is_test_command, summarise_tests

MAX_MODEL_CHARACTERS = 15_000
TIMEOUT_SECONDS = 120
LOST = (
    "The command was ended with the server, which was interrupted since; what it had printed is lost."
    " Start it again where it is needed."
)


class RunArguments(Arguments):
    command: Word
    timeout_seconds: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description=f"{TIMEOUT_SECONDS} by default; in the background as long as the phase.",
    )
    background: bool = Field(default=False, description="Go on while it runs.")


class RunCommand(Tool):
    name = "run_command"
    description = (
        "Run a shell command in the workspace; it gets no input, and nothing of it goes on running after."
        " In the background it answers at once with a command_id for read_output and stop_command, and runs on until it"
        " ends, at most to the end of this phase. Each command has a network of its own: a server and what speaks to it"
        " belong in one command."
    )
    arguments: ClassVar[type[RunArguments]] = RunArguments
    effect: ClassVar[Effect] = "unknown"

    async def run(self, arguments: RunArguments, context: ToolContext) -> ToolResult:
        if count_masks(arguments.command):
            raise masked("The command")
        if arguments.background:
            return await self._start(arguments, context)
        before = await context.workspace.checkpoint("before a command")
        timeout_seconds = arguments.timeout_seconds or TIMEOUT_SECONDS
        result = await context.workspace.run(
            arguments.command, timeout_seconds=timeout_seconds, on_output=context.output
        )
        changes = await context.workspace.changes(before.id)
        details: JsonObject = {"exit_code": result.exit_code, "reason": result.reason}
        output = result.output
        details |= _tests(arguments.command, output)
        if len(output) > 2 * MAX_MODEL_CHARACTERS:
            details["output"] = await context.keep(result.content)
        shown = keep_ends(output, MAX_MODEL_CHARACTERS).rstrip() or "(no output)"
        return ToolResult(f"{shown}\n{_end(result, timeout_seconds)}", details, changes)

    async def _start(self, arguments: RunArguments, context: ToolContext) -> ToolResult:
        command_id = derived_id("cmd", context.call_id)
        await context.background.start(command_id, arguments.command, arguments.timeout_seconds)
        return ToolResult(f"Started in the background as {command_id}.", {"command_id": command_id})


class ReadArguments(Arguments):
    command_id: Id
    since: int = Field(default=0, ge=0, description="How many characters of its output to pass over.")
    wait_seconds: float = Field(
        default=0, ge=0, le=60, description="How long to wait at most for output after these, or for its end."
    )


class ReadOutput(Tool):
    name = "read_output"
    description = "Show what a command in the background has printed, and whether it still runs."
    arguments: ClassVar[type[ReadArguments]] = ReadArguments

    async def run(self, arguments: ReadArguments, context: ToolContext) -> ToolResult:
        command = context.background.find(arguments.command_id)
        if command is None:
            return _lost(arguments.command_id)
        await command.wait(arguments.since, arguments.wait_seconds)
        return await _show(command, arguments.command_id, arguments.since, context)


class StopArguments(Arguments):
    command_id: Id


class StopCommand(Tool):
    name = "stop_command"
    description = "End a command in the background, with all that it has started."
    arguments: ClassVar[type[StopArguments]] = StopArguments
    effect: ClassVar[Effect] = "checkable"

    async def run(self, arguments: StopArguments, context: ToolContext) -> ToolResult:
        command = context.background.find(arguments.command_id)
        if command is None:
            return _lost(arguments.command_id)
        await command.stop()
        return await _show(command, arguments.command_id, command.printed, context)


async def _show(command: BackgroundCommand, command_id: str, since: int, context: ToolContext) -> ToolResult:
    """What it has changed since somebody last looked is told too: it changes files between the calls."""
    result, running, printed = command.result, command.running, command.printed
    text, forgotten = command.output(since)
    details: JsonObject = {"command_id": command_id, "running": running, "printed": printed}
    if result:
        details |= {"exit_code": result.exit_code, "reason": result.reason} | _tests(
            command.command, command.output()[0]
        )
    state = "It still runs." if running else _end(result, command.timeout_seconds) if result else "It is stopped."
    before = f"… {forgotten} characters are not kept …\n" if forgotten else ""
    shown = f"{before}{keep_ends(text, MAX_MODEL_CHARACTERS).rstrip()}".strip() or "(no new output)"
    changes = await context.workspace.new_changes()
    return ToolResult(f"{shown}\n{state} It has printed {printed} characters.", details, changes)


def _lost(command_id: str) -> ToolResult:
    return ToolResult(LOST, {"command_id": command_id, "running": False, "reason": "interrupted"})


def _tests(command: str, output: str) -> JsonObject:
    tests = summarise_tests(output) if is_test_command(command) else None
    return {"tests": tests.model_dump()} if tests else {}


def _end(result: CommandResult, timeout_seconds: float | None) -> str:
    match result.reason:
        case "exit":
            return f"Exit code {result.exit_code}."
        case "timeout":
            return f"Ended after {timeout_seconds:g} seconds, unfinished."
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
