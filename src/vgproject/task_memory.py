"""What a task does with memory: the notes of its phases are merged, and what they contradict can be settled."""

import logging

from vgproject.agents.base import COMPLETIONS, Json, TaskInput
from vgproject.agents.context import MEMORY, AgentServices, PhaseContext
from vgproject.agents.reporter import Reporter
from vgproject.agents.settling import Settler
from vgproject.errors import StorageError, VgprojectError
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.notes import Note
from vgproject.knowledge.recall import Recall
from vgproject.memory import MemorySaver
from vgproject.schema.base import EventData, Phase
from vgproject.schema.events import (
    ImplementationComplete,
    MemoryMerged,
    PhaseStarted,
    ResearchComplete,
    TaskRetried,
    ToolCompleted,
)
from vgproject.schema.memory import MAX_CONTENT, MemoryConflict
from vgproject.tools.memory import Remember
from vgproject.utils.text import first_line, shorten
from vgproject.workspace.text_reader import TextReader
from vgproject.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

MAX_SETTLED = 10
"""Contradictions of one merge that a model is asked about; the others stay open."""
MAX_FILES = 50
MAX_SUMMARY = 1_500
"""Characters of a work log's entry that tell what was done."""


class TaskMemory:
    """The memory of one attempt at a task: a `MemorySaver` for each of its phases."""

    def __init__(self, memory: Memory, recall: Recall, services: AgentServices, task: TaskInput) -> None:
        self._memory = memory
        self._recall = recall
        self._services = services
        self._task = task
        self._open: tuple[Phase, MemorySaver] | None = None
        self._is_complete = False

    def open_phase(self, phase: Phase, *, project: str, owner: str, workspace: Workspace) -> MemorySaver:
        """The phase's notes; those that an attempt before was certain of are still there."""
        if self._open and self._open[0] == phase:
            self._open[1].keep_certain()
            return self._open[1]
        saver = MemorySaver(
            self._memory,
            project=project,
            user=owner,
            session_id=self._task.session_id,
            task_id=self._task.task_id,
            recall=self._recall,
            files=TextReader(workspace.files, self._services.secrets.mask),
        )
        self._open, self._is_complete = (phase, saver), False
        return saver

    async def complete(self, completion: EventData, memory: MemorySaver, context: PhaseContext) -> None:
        """Merge the notes of a phase that has come to its end, tell of it, and have contradictions settled."""
        phase = context.phase
        self._is_complete = True
        for note in _notes_of(completion, context.request.content):
            memory.take(note)

        async def merge() -> Json:
            merged = await memory.merge(phase, scope=self._scope(phase))
            settler = context.role_models.get(MEMORY)
            conflicts = await memory.conflicts_of(merged.conflicting) if settler else []
            told = [conflict.model_dump(mode="json") for conflict in conflicts[:MAX_SETTLED]]
            return {**merged.model_dump(), "conflicts": told, "settler": settler}

        recorded = await context.steps.run(f"merge/{phase}", merge)
        merged = MemoryMerged.model_validate({name: recorded[name] for name in MemoryMerged.model_fields})
        await self._tell(merged, phase, context.reporter)
        for conflict in recorded.get("conflicts", []):
            await Settler(self._memory, context, recorded["settler"]).settle(MemoryConflict.model_validate(conflict))
        self._open = None

    async def end(self, reporter: Reporter) -> None:
        """Merge what a phase that failed or was cancelled was certain of, once: also what it noted before a crash.

        No recorded step: after a crash the phase may end at another step than before. The merge is one transaction,
        and is made once for each phase of the attempt.
        """
        phase = reporter.phase or await self._begun_phase()
        if phase is None:
            return
        try:
            saver = await self._saver_of(phase)
            merged = await saver.merge(
                phase,
                scope=self._scope(phase),
                only_certain=not self._is_complete,
                more=await self._logged_notes(phase),
            )
            await self._tell(merged, phase, reporter)
        except StorageError:
            raise
        except VgprojectError:
            logger.exception("What the phase %s was certain of is not kept in memory", phase)

    def _scope(self, phase: Phase) -> str:
        return f"merge/{self._task.key}/{phase}"

    async def _saver_of(self, phase: Phase) -> MemorySaver:
        if self._open and self._open[0] == phase:
            return self._open[1]
        async with self._services.database.unit_of_work() as work:
            session = await work.sessions.get(self._task.session_id)
        return MemorySaver(
            self._memory,
            project=session.project,
            user=session.owner,
            session_id=self._task.session_id,
            task_id=self._task.task_id,
        )

    async def _begun_phase(self) -> Phase | None:
        """The one that was begun before a crash, where none is begun now."""
        kinds = {kind.type for kind in (PhaseStarted, *COMPLETIONS)}
        events = [event.frame() for event in await self._services.event_log.read_types(self._task.session_id, kinds)]
        last = next((frame for frame in reversed(events) if frame.task_id == self._task.task_id), None)
        return last.phase if last and last.type == PhaseStarted.type else None

    async def _logged_notes(self, phase: Phase) -> list[Note]:
        """What this attempt has noted in the phase, as its log tells."""
        log = self._services.event_log
        notes: list[Note] = []
        for event in await log.read_types(self._task.session_id, {TaskRetried.type, ToolCompleted.type}):
            frame = event.frame()
            if frame.task_id != self._task.task_id:
                continue
            if frame.type == TaskRetried.type:
                notes.clear()
            elif frame.phase == phase and frame.data["tool"] == Remember.name:
                details = (await log.whole(event)).frame().data["details"]
                notes.append(Note.model_validate(details["note"]))
        return notes

    async def _tell(self, merged: MemoryMerged, phase: Phase, reporter: Reporter) -> None:
        if merged.added or merged.merged or merged.refused:
            reporter = reporter.as_agent(phase, phase)
            await reporter.send_update(merged, f"{phase}/merged")


def _notes_of(completion: EventData, task: str) -> list[Note]:
    """What is kept of a phase's result beside what its agent has noted."""
    match completion:
        case ResearchComplete():
            return [Note(kind="research_note", content=shorten(completion.notes, MAX_CONTENT))]
        case ImplementationComplete():
            files = ", ".join(change.path for change in completion.files_changed[:MAX_FILES]) or "none"
            done = f"{first_line(task, 300)}: {shorten(completion.summary, MAX_SUMMARY)}\nFiles changed: {files}"
            return [Note(kind="work_log", content=shorten(done, MAX_CONTENT), confidence="certain")]
        case _:
            return []
