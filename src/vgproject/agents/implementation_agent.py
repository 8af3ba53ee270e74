"""Implementation: do the plan's steps, and end only when the tests, where there are some, really pass."""

from vgproject.agents.acceptance import TestCommand
from vgproject.agents.briefing import prepare_briefing
from vgproject.agents.calls import Call, Outcome
from vgproject.agents.context import PhaseContext
from vgproject.agents.job import Job
from vgproject.agents.loop import run_job
from vgproject.agents.prompts import load_prompt
from vgproject.memory import MemorySaver
from vgproject.schema.agent_outputs import ImplementationReport, Plan
from vgproject.schema.base import EventData
from vgproject.schema.events import DiffStat, FileChange, ImplementationComplete, PlanStepUpdated

TOOLS = [
    "list_files",
    "read_file",
    "search_files",
    "write_file",
    "edit_file",
    "apply_patch",
    "run_command",
    "read_output",
    "stop_command",
    "git_diff",
    "remember",
    "recall",
    "update_plan_step",
    "ask_user",
    "ask_expert",
    "delegate",
]


async def run_implementation_agent(
    base_task: str,
    model: str,
    memory: MemorySaver,
    thread_id: str,
    *,
    plan: Plan | None,
    notes: str,
    context: PhaseContext,
) -> ImplementationComplete:
    """Do the steps of ``plan``, where there is one, for ``base_task``."""
    briefing = await prepare_briefing(base_task, memory, thread_id, context=context)
    tests = TestCommand(context, thread_id)
    about_tests = await tests.look()
    progress = PlanProgress(context, plan)
    job = Job(
        model=model,
        memory=memory,
        thread_id=thread_id,
        instructions=load_prompt("implementation"),
        prompt=_prompt(base_task, _as_markdown(plan), notes, about_tests, briefing.as_markdown()),
        tools=context.offered(TOOLS),
        submit="submit_implementation",
        output=ImplementationReport,
        accept=tests.accept,
        after_tool=progress.take,
    )
    report = await run_job(context, job)
    await context.background.end_all()
    changes = await context.workspace.changes()
    return ImplementationComplete(
        summary=report.summary, files_changed=changes, diff_stat=_diff_stat(changes), tests=tests.last
    )


class ImplementationStrategy:
    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        plan, notes = context.handover.plan, context.handover.notes
        return await run_implementation_agent(
            base_task, model, memory, thread_id, plan=plan, notes=notes, context=context
        )


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


def _prompt(base_task: str, plan: str, notes: str, about_tests: str, briefing: str) -> str:
    tests = f"## Tests\n\n{about_tests}\n\n" if about_tests else ""
    return f"# Task\n\n{base_task}\n\n{plan}\n\n{tests}## Research notes\n\n{notes}\n\n{briefing}"


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
