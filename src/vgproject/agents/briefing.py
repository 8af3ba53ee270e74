"""What an agent is told at a phase's start beside its task: what memory knows, and what the session did before."""

from dataclasses import dataclass

from vgproject.agents.base import Json
from vgproject.agents.context import PhaseContext
from vgproject.conversation import read_conversation
from vgproject.knowledge.quoting import quote_entries
from vgproject.knowledge.recall import LIMIT, named_paths
from vgproject.memory import MemorySaver
from vgproject.schema.events import MemoryRecalled, RecalledEntry, TaskCompleted, TaskQueued
from vgproject.utils.text import shorten

MAX_FILES = 200


@dataclass(frozen=True)
class Briefing:
    known: list[RecalledEntry]
    earlier: list[str]

    def as_markdown(self) -> str:
        parts = []
        if self.known:
            parts.append(f"## Known from earlier tasks\n\n{quote_entries(self.known)}")
        if self.earlier:
            parts.append("## Earlier in this session\n\n" + "\n".join(f"- {line}" for line in self.earlier))
        return "\n\n".join(parts)


async def prepare_briefing(base_task: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext) -> Briefing:
    """Recorded as a step, so that the prompt stays the same when the phase goes on after a crash."""

    async def prepare() -> Json:
        heads = await memory.read_heads()
        files = await _touched_files(base_task, context)
        known = await memory.recall(base_task, LIMIT, files=files)
        await memory.note_recall(known, scope=f"{context.task.key}/{thread_id}")
        earlier = await _earlier_tasks(context)
        return {"known": [entry.model_dump() for entry in known], "heads": heads, "files": files, "earlier": earlier}

    recorded = await context.steps.run(f"briefing/{thread_id}", prepare)
    known = [RecalledEntry.model_validate(entry) for entry in recorded["known"]]
    if (heads := recorded.get("heads")) is not None:
        memory.begin({name: (epoch, seq) for name, (epoch, seq) in heads.items()}, base_task, recorded["files"])
    memory.tell(known)
    if known:
        await context.reporter.send_update(MemoryRecalled(entries=known), f"{thread_id}/recalled")
    return Briefing(known, recorded["earlier"])


async def _touched_files(base_task: str, context: PhaseContext) -> list[str]:
    """Those that the task names, that research has found, and that the session has changed."""
    changed = [change.path for change in await context.workspace.changes()]
    return list(dict.fromkeys([*named_paths(base_task), *context.handover.related_files, *changed]))[:MAX_FILES]


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
