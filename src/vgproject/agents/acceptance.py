"""The session's tests, run by the server when the agent says that it is done."""

import time

from pydantic import BaseModel

from vgproject.agents.base import Json
from vgproject.agents.context import PhaseContext
from vgproject.agents.tool_output import open_output
from vgproject.errors import PhaseError
from vgproject.schema.agent_outputs import ImplementationReport
from vgproject.schema.events import TestRun, ToolCompleted, ToolRequested, ToolStarted
from vgproject.utils.ids import derived_id
from vgproject.utils.text import keep_ends

MAX_TEST_RUNS = 4
TEST_TIMEOUT_SECONDS = 900
TOOL = "run_tests"
"""The name under which clients see a run as a tool call. No model can call it."""


class TimedRun(BaseModel):
    tests: TestRun
    duration_ms: int


class TestCommand:
    """Runs the test command on each submission of one conversation."""

    def __init__(self, context: PhaseContext, thread_id: str) -> None:
        self._context = context
        self._thread_id = thread_id
        self._runs = 0
        self.last: TestRun | None = None

    async def accept(self, report: ImplementationReport) -> ImplementationReport | str:
        """The report if the tests pass or there are none; else what they complain of, for the agent to mend."""
        command = self._context.current_settings().test_command
        if command is None:
            return report
        self._runs += 1
        self.last = await self._run_shown(command)
        if self.last.passed:
            return report
        if self._runs >= MAX_TEST_RUNS:
            raise PhaseError(f"The tests still fail after {self._runs} tries: {command}", code="tests_failed")
        return f"The tests fail: {command}\n\n{self.last.output}\n\nMend it, then submit again."

    async def _run_shown(self, command: str) -> TestRun:
        """Run it as a recorded step, seen as a tool call.

        Interrupted by a crash it is run again unasked, unlike a command of the model: the user chose it, as a check
        that can be made at any time, and it runs in the session's own copy of the project.
        """
        call_id = derived_id("call", self._context.task.key, self._thread_id, TOOL, str(self._runs))
        say = self._context.reporter.send_update
        await say(
            ToolRequested(tool_call_id=call_id, tool=TOOL, arguments={"command": command}), f"{call_id}/requested"
        )

        async def run() -> Json:
            await say(ToolStarted(tool_call_id=call_id, tool=TOOL), f"{call_id}/started")
            return (await self._run(command, call_id)).model_dump()

        recorded = await self._context.steps.run(f"tests/{self._thread_id}/{self._runs}", run)
        timed = TimedRun.model_validate(recorded)
        end = ToolCompleted(
            tool_call_id=call_id,
            tool=TOOL,
            result=timed.tests.output,
            duration_ms=timed.duration_ms,
            details={"exit_code": timed.tests.exit_code},
        )
        await say(end, f"{call_id}/ended")
        self._context.services.broker.end_message(self._context.task.session_id, call_id)
        return timed.tests

    async def _run(self, command: str, call_id: str) -> TimedRun:
        began = time.monotonic()
        with open_output(self._context, call_id) as output:
            result = await self._context.workspace.run(command, timeout_seconds=TEST_TIMEOUT_SECONDS, on_output=output)
        tests = TestRun(
            command=command,
            passed=result.exit_code == 0,
            exit_code=result.exit_code,
            output=keep_ends(self._context.services.secrets.mask(result.output), 4_000),
        )
        return TimedRun(tests=tests, duration_ms=round((time.monotonic() - began) * 1000))
