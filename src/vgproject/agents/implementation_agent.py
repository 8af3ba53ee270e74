"""Implementation: do the plan's steps, and end only when the tests, where there are some, really pass."""

from vgproject.agents.base import Json
from vgproject.agents.briefing import prepare_briefing
from vgproject.agents.context import PhaseContext
from vgproject.agents.loop import AgentLoop, Job
from vgproject.agents.prompts import load_prompt
from vgproject.agents.tool_calls import Call, Outcome
from vgproject.errors import PhaseError
from vgproject.schema.agent_outputs import ImplementationReport, Plan
from vgproject.schema.base import EventData
from vgproject.schema.events import DiffStat, FileChange, ImplementationComplete, PlanStepUpdated, TestRun
from vgproject.utils.text import keep_ends

TOOLS = [
    "list_files",
    "read_file",
    "search_files",
    "write_file",
    "edit_file",
    "run_command",
    "git_diff",
    "remember",
    "recall",
    "update_plan_step",
]
MAX_TEST_RUNS = 4
TEST_TIMEOUT_SECONDS = 900


async def run_implementation_agent(
    base_task: str, plan: Plan | None, notes: str, context: PhaseContext
) -> ImplementationComplete:
    briefing = await prepare_briefing(context)
    tests = Tests(context)
    progress = PlanProgress(context, plan)
    job = Job(
        instructions=load_prompt("implementation"),
        prompt=f"# Task\n\n{base_task}\n\n{_as_markdown(plan)}\n\n## Research notes\n\n{notes}\n\n{briefing.as_markdown()}",
        tools=context.phase_settings.tools or TOOLS,
        submit="submit_implementation",
        output=ImplementationReport,
        accept=tests.accept,
        after_tool=progress.take,
    )
    report = await AgentLoop(context, job).run()
    changes = await context.workspace.changes()
    return ImplementationComplete(
        summary=report.summary, files_changed=changes, diff_stat=_diff_stat(changes), tests=tests.last
    )


class ImplementationStrategy:
    async def run(self, context: PhaseContext) -> EventData:
        handover = context.handover
        return await run_implementation_agent(context.request.content, handover.plan, handover.notes, context)


class Tests:
    """Runs the session's test command when the agent says that it is done."""

    def __init__(self, context: PhaseContext) -> None:
        self._context = context
        self._runs = 0
        self.last: TestRun | None = None

    async def accept(self, report: ImplementationReport) -> str | None:
        """What the tests complain of, for the agent to mend; ``None`` if they pass or there are none."""
        command = self._context.current_settings().test_command
        if command is None:
            return None
        self._runs += 1

        async def run() -> Json:
            return (await self._run(command)).model_dump()

        self.last = TestRun.model_validate(
            await self._context.steps.run(f"tests/{self._context.run}/{self._runs}", run)
        )
        if self.last.passed:
            return None
        if self._runs >= MAX_TEST_RUNS:
            raise PhaseError(f"The tests still fail after {self._runs} tries: {command}", code="tests_failed")
        return f"The tests fail: {command}\n\n{self.last.output}\n\nMend it, then submit again."

    async def _run(self, command: str) -> TestRun:
        result = await self._context.workspace.run(
            command, timeout_seconds=TEST_TIMEOUT_SECONDS, on_output=lambda _: None
        )
        output = keep_ends(result.output, 4_000)
        return TestRun(command=command, passed=result.exit_code == 0, exit_code=result.exit_code, output=output)


class PlanProgress:
    """Tells which steps of the plan are done."""

    def __init__(self, context: PhaseContext, plan: Plan | None) -> None:
        self._context = context
        self._titles = {step.id: step.title for step in plan.steps} if plan else {}
        self._done: set[str] = set()

    async def take(self, call: Call, outcome: Outcome) -> None:
        step_id = outcome.details.get("step_id")
        if call.part.tool_name != "update_plan_step" or not outcome.ok or step_id not in self._titles:
            return
        status = outcome.details["status"]
        reporter = self._context.reporter
        await reporter.send_update(PlanStepUpdated(step_id=step_id, status=status), f"{call.id}/step")
        if status != "running":
            self._done.add(step_id)
        share = 0.95 * len(self._done) / len(self._titles)
        await reporter.send_progress(
            self._context.span.at(share),
            self._titles[step_id],
            call.id,
            step=list(self._titles).index(step_id) + 1,
            steps=len(self._titles),
        )


def _as_markdown(plan: Plan | None) -> str:
    if plan is None:
        return ""
    steps = [f"{step.id}. **{step.title}** {step.description} {', '.join(step.files)}".rstrip() for step in plan.steps]
    return f"## Plan\n\n{plan.summary}\n\n" + "\n".join(steps)


def _diff_stat(changes: list[FileChange]) -> DiffStat:
    return DiffStat(
        files=len(changes),
        additions=sum(change.additions for change in changes),
        deletions=sum(change.deletions for change in changes),
    )
