"""A strategy that fails as the task's text says."""

import asyncio

from vgproject.agents.context import PhaseContext
from vgproject.errors import ModelError, PhaseError
from vgproject.schema.base import EventData


class FailingStrategy:
    """Notes something for memory, then fails."""

    async def run(self, context: PhaseContext) -> EventData:
        context.memory.note("key_fact", "This is not certain.")
        match context.request.content:
            case "model":
                raise ModelError("The model is gone.", code="model_unreachable")
            case "output":
                raise PhaseError("The model did not submit.", code="invalid_output")
            case "bug":
                raise RuntimeError("password=hunter2")
            case _:
                await asyncio.Event().wait()
        raise AssertionError("every case raises")
