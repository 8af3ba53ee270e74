"""Research: find out what the task needs to be known, and change nothing."""

from vgproject.agents.briefing import prepare_briefing
from vgproject.agents.context import PhaseContext
from vgproject.agents.job import Job
from vgproject.agents.loop import run_job
from vgproject.agents.prompts import load_prompt
from vgproject.memory import MemorySaver
from vgproject.schema.agent_outputs import ResearchNotes
from vgproject.schema.base import EventData
from vgproject.schema.events import ResearchComplete

TOOLS = [
    "list_files",
    "read_file",
    "search_files",
    "recall",
    "web_search",
    "web_fetch",
    "remember",
    "ask_user",
    "ask_expert",
    "delegate",
]


async def run_research_agent(
    base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
) -> ResearchNotes:
    """Research ``base_task``; its key facts and related files are noted in ``memory``."""
    briefing = await prepare_briefing(base_task, memory, thread_id, context=context)
    job = Job(
        model=model,
        memory=memory,
        thread_id=thread_id,
        instructions=load_prompt("research"),
        prompt=f"# Task\n\n{base_task}\n\n{briefing.as_markdown()}".strip(),
        tools=context.offered(TOOLS),
        submit="submit_research",
        output=ResearchNotes,
    )
    notes = await run_job(context, job)
    for fact in notes.key_facts:
        memory.note("key_fact", fact)
    for path in notes.related_files:
        memory.note_file(path)
    return notes


class ResearchStrategy:
    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        notes = await run_research_agent(base_task, model, memory, thread_id, context=context)
        return ResearchComplete(**notes.model_dump())
