"""A strategy that fails as the task's text says."""

import asyncio

from vgproject.agents.context import PhaseContext
from vgproject.errors import ModelError, PhaseError
from vgproject.memory import MemorySaver
from vgproject.schema.base import EventData


class FailingStrategy:
    """Notes something for memory, then fails."""

    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        memory.note("key_fact", "This is not certain.")
        match base_task:
            case "model":
                raise ModelError("The model is gone.", code="model_unreachable")
            case "output":
                raise PhaseError("The model did not submit.", code="invalid_output")
            case "bug":
                raise RuntimeError("password=hunter2")
            case _:
                await asyncio.Event().wait()
        raise AssertionError("every case raises")
