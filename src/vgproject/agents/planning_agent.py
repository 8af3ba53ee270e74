"""Planning: from the notes of research to steps that can be done one after the other."""

from vgproject.agents.briefing import prepare_briefing
from vgproject.agents.context import PhaseContext
from vgproject.agents.job import Job
from vgproject.agents.loop import run_job
from vgproject.agents.plan_gate import PlanGate
from vgproject.agents.prompts import load_prompt
from vgproject.memory import MemorySaver
from vgproject.schema.agent_outputs import Plan
from vgproject.schema.base import EventData
from vgproject.schema.events import PlanningComplete

TOOLS = [
    "list_files",
    "read_file",
    "search_files",
    "recall",
    "remember",
    "web_search",
    "web_fetch",
    "ask_user",
    "ask_expert",
    "delegate",
]


async def run_planning_agent(
    base_task: str, model: str, memory: MemorySaver, thread_id: str, *, notes: str, context: PhaseContext
) -> Plan:
    """Plan ``base_task`` from the ``notes`` of research."""
    briefing = await prepare_briefing(base_task, memory, thread_id, context=context)
    job = Job(
        model=model,
        memory=memory,
        thread_id=thread_id,
        instructions=load_prompt("planning"),
        prompt=f"# Task\n\n{base_task}\n\n## Research notes\n\n{notes}\n\n{briefing.as_markdown()}".strip(),
        tools=context.offered(TOOLS),
        submit="submit_plan",
        output=Plan,
        accept=PlanGate(context, thread_id).accept,
    )
    return await run_job(context, job)


class PlanningStrategy:
    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        notes = context.handover.notes
        plan = await run_planning_agent(base_task, model, memory, thread_id, notes=notes, context=context)
        return PlanningComplete(plan=plan)
