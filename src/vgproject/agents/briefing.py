"""What an agent is told at a phase's start beside its task: what memory knows, and what the session did before."""

from dataclasses import dataclass

from vgproject.agents.base import Json
from vgproject.agents.context import PhaseContext
from vgproject.conversation import read_conversation
from vgproject.memory import MemorySaver
from vgproject.schema.events import MemoryRecalled, RecalledEntry, TaskCompleted, TaskQueued
from vgproject.utils.text import shorten


@dataclass(frozen=True)
class Briefing:
    known: list[RecalledEntry]
    earlier: list[str]

    def as_markdown(self) -> str:
        parts = []
        if self.known:
            facts = "\n".join(f"- ({entry.kind}) {entry.content}" for entry in self.known)
            parts.append(f"## Known of this project (notes of earlier tasks: check what matters)\n\n{facts}")
        if self.earlier:
            parts.append("## Earlier in this session\n\n" + "\n".join(f"- {line}" for line in self.earlier))
        return "\n\n".join(parts)


async def prepare_briefing(base_task: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext) -> Briefing:
    """Recorded as a step, so that the prompt stays the same when the phase goes on after a crash."""

    async def prepare() -> Json:
        known = await memory.recall(base_task)
        return {"known": [entry.model_dump() for entry in known], "earlier": await _earlier_tasks(context)}

    recorded = await context.steps.run(f"briefing/{thread_id}", prepare)
    known = [RecalledEntry.model_validate(entry) for entry in recorded["known"]]
    if known:
        await context.reporter.send_update(MemoryRecalled(entries=known), f"{thread_id}/recalled")
    return Briefing(known, recorded["earlier"])


async def _earlier_tasks(context: PhaseContext) -> list[str]:
    types = {TaskQueued.type, TaskCompleted.type}
    events = await read_conversation(context.services.event_log, context.task.session_id, types)
    asked: dict[str, str] = {}
    earlier = []
    for event in events:
        task_id, data = event.frame().task_id or "", event.data()
        if isinstance(data, TaskQueued):
            asked[task_id] = data.content
        elif isinstance(data, TaskCompleted):
            earlier.append(f"{shorten(asked[task_id], 300)} → {shorten(data.result, 600)}")
    return earlier[-5:]
