"""The project's tests, run by the server when the agent says that it is done."""

import time

from pydantic import BaseModel

from vgproject.agents.base import Json
from vgproject.agents.context import PhaseContext
from vgproject.agents.tool_output import open_output
from vgproject.errors import PhaseError
from vgproject.schema.agent_outputs import ImplementationReport
from vgproject.schema.base import JsonObject
from vgproject.schema.events import TestRun, TestSummary, ToolCompleted, ToolRequested, ToolStarted
from vgproject.tools.registry import TOOLS
from vgproject.utils.ids import derived_id
from vgproject.utils.text import keep_ends
from vgproject.workspace.test_commands import find_test_command
from vgproject.workspace.test_summaries import summarise_tests

MAX_TEST_RUNS = 4
TEST_TIMEOUT_SECONDS = 900
FOUND_TIMEOUT_SECONDS = 300
"""For a command that nobody has asked for."""
TOOL = "run_tests"
"""The name under which clients see a run as a tool call. No model can call it."""


class TimedRun(BaseModel):
    tests: TestRun
    duration_ms: int


class TestCommand:
    """Runs the test command on each submission of one conversation: the one that was given, else the one found."""

    def __init__(self, context: PhaseContext, thread_id: str) -> None:
        self._context = context
        self._thread_id = thread_id
        self._runs = 0
        self._before: TestRun | None = None
        self.last: TestRun | None = None

    async def look(self) -> str:
        """Where no command is given, find one and run it before anything is changed; what the agent should know of it.

        A project whose tests fail without the task, as for want of their dependencies, must not make the task fail.
        """
        self._before = await self._before_of_earlier_attempt()

        async def find() -> Json:
            if self._before or self._context.current_settings().test_command is not None:
                return None
            found = await find_test_command(self._context.workspace)
            return found if found and self._may_run(found) else None

        command = await self._context.steps.run(f"tests/{self._thread_id}/found", find)
        if command is not None:
            self._before = await self._run_shown(command, self._before_id(), found=True)
        return _told(self._before) if self._before else ""

    async def accept(self, report: ImplementationReport) -> ImplementationReport | str:
        """The report if the tests pass or nothing follows from them; else what they complain of, for the agent to mend."""
        given, before = self._context.current_settings().test_command, self._before
        if given is None and before is not None and before.exit_code is not None:
            command, found = before.command, True
        elif given:
            command, found = given, False
        else:
            return report
        self._runs += 1
        call_id = derived_id("call", self._context.task.key, self._thread_id, TOOL, str(self._runs))
        self.last = await self._run_shown(command, call_id, found=found)
        if self.last is None or self.last.passed or self.last.failed_before:
            return report
        if self._runs >= MAX_TEST_RUNS:
            raise PhaseError(f"The tests still fail after {self._runs} tries: {command}", code="tests_failed")
        return f"The tests fail: {command}\n\n{self.last.output}\n\nMend it, then submit again."

    def _may_run(self, command: str) -> bool:
        """A command that nobody gave is run unasked only where the agent itself could run it unasked."""
        policy = self._context.approval_policy()
        tool, arguments = TOOLS["run_command"], {"command": command}
        return not (policy.reason_to_deny(arguments) or policy.reason_to_ask(tool.name, arguments, tool.effect))

    def _before_id(self) -> str:
        return derived_id("call", self._context.task.task_id, TOOL, "before")

    async def _before_of_earlier_attempt(self) -> TestRun | None:
        """Later the files are no longer as they were before the task."""
        task, find = self._context.task, self._context.services.event_log.find
        for attempt in range(1, task.attempt + 1):
            key = f"{task.task_id}/{attempt}/{self._before_id()}"
            asked, ended = await find(task.session_id, f"{key}/requested"), await find(task.session_id, f"{key}/ended")
            if asked and ended:
                request, end = asked.data(), ended.data()
                assert isinstance(request, ToolRequested)
                assert isinstance(end, ToolCompleted)
                exit_code, tests = end.details["exit_code"], end.details.get("tests")
                return TestRun(
                    command=request.arguments["command"],
                    passed=exit_code == 0,
                    exit_code=exit_code,
                    output=end.result,
                    summary=TestSummary.model_validate(tests) if tests else None,
                    found=True,
                )
        return None

    async def _run_shown(self, command: str, call_id: str, *, found: bool) -> TestRun | None:
        """Run it as a recorded step, seen as a tool call; ``None`` where it may not be run unasked any more.

        Interrupted by a crash it is run again unasked, unlike a command of the model: it is a check that can be made
        at any time, and it runs in the session's own copy of the project.
        """
        say = self._context.reporter.send_update

        async def run_once() -> Json:
            if found and not self._may_run(command):
                return None
            request = ToolRequested(tool_call_id=call_id, tool=TOOL, arguments={"command": command})
            await say(request, f"{call_id}/requested")
            await say(ToolStarted(tool_call_id=call_id, tool=TOOL), f"{call_id}/started")
            run = self._run_and_clean_up if found else self._run
            return (await run(command, call_id, found=found)).model_dump()

        recorded = await self._context.steps.run(f"tests/{self._thread_id}/{self._runs}", run_once)
        if recorded is None:
            return None
        timed = TimedRun.model_validate(recorded)
        details: JsonObject = {"exit_code": timed.tests.exit_code}
        if timed.tests.summary:
            details["tests"] = timed.tests.summary.model_dump()
        end = ToolCompleted(
            tool_call_id=call_id,
            tool=TOOL,
            result=timed.tests.output,
            duration_ms=timed.duration_ms,
            details=details,
        )
        await say(end, f"{call_id}/ended")
        self._context.services.broker.end_message(self._context.task.session_id, call_id)
        return timed.tests

    async def _run_and_clean_up(self, command: str, call_id: str, *, found: bool) -> TimedRun:
        """What a run that nobody asked for leaves behind is no part of the task's result."""
        workspace = self._context.workspace
        before = await workspace.checkpoint("before tests")
        timed = await self._run(command, call_id, found=found)
        if await workspace.changes(before.id):
            await workspace.rewind(before.id)
        return timed

    async def _run(self, command: str, call_id: str, *, found: bool) -> TimedRun:
        began = time.monotonic()
        with open_output(self._context, call_id) as output:
            result = await self._context.workspace.run(
                command,
                timeout_seconds=FOUND_TIMEOUT_SECONDS if found else TEST_TIMEOUT_SECONDS,
                on_output=output,
            )
        tests = TestRun(
            command=command,
            passed=result.exit_code == 0,
            exit_code=result.exit_code,
            output=keep_ends(self._context.services.secrets.mask(result.output), 4_000),
            summary=summarise_tests(result.output),
            found=found,
            failed_before=found and self._before is not None and not self._before.passed,
        )
        return TimedRun(tests=tests, duration_ms=round((time.monotonic() - began) * 1000))


def _told(before: TestRun) -> str:
    if before.passed:
        return (
            f"When you submit, `{before.command}` is run, which passes now. If it fails then, you are told, and go on."
        )
    counts = f" ({before.summary.failed} failed, {before.summary.errors} errors)" if before.summary else ""
    return f"`{before.command}` fails already before your change{counts}. Leave it no worse than it was."
