"""Ways to do a phase that tests choose by name."""

import asyncio

from vgproject.agents.context import PhaseContext
from vgproject.errors import ModelError
from vgproject.memory import MemorySaver
from vgproject.schema.base import EventData
from vgproject.schema.events import PhaseComplete, ResearchComplete


class ReviewStrategy:
    """Hands over what it was called with."""

    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        output = {"base_task": base_task, "model": model, "thread_id": thread_id, "notes": context.handover.notes}
        return PhaseComplete(phase=context.phase, output=output)


class QuickResearch:
    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        return ResearchComplete(notes="quick", key_facts=[], related_files=[], needs_implementation=False)


class Flaky:
    """Fails once, in a way that may pass."""

    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        if thread_id.endswith("/1"):
            raise ModelError("Not now.", code="model_unreachable", retryable=True)
        return await QuickResearch().run(base_task, model, memory, thread_id, context=context)


class Endless:
    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        await asyncio.Event().wait()
        raise AssertionError("the wait has no end")
