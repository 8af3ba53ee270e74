"""Entries of memory that contradict each other, told to a model of its own, which says what is right."""

import logging
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator
from pydantic_ai.messages import UserPromptPart
from pydantic_ai.tools import ToolDefinition

from vgproject.agents.base import Json, PhaseSettings
from vgproject.agents.bounds import Bounds
from vgproject.agents.context import MEMORY, PhaseContext
from vgproject.agents.model_turn import ModelTurns, Turn, tell
from vgproject.agents.prompts import load_prompt
from vgproject.errors import ConflictError, StorageError, VgprojectError
from vgproject.knowledge.memory import Memory
from vgproject.knowledge.quoting import PREFACE, as_recalled, one_line, quote_entry
from vgproject.schema.base import Actor
from vgproject.schema.memory import MAX_CONTENT, MemoryConflict, MemoryEntry, Settlement
from vgproject.tools.base import Arguments, Tool, ToolFailure, Word
from vgproject.tools.registry import parse_arguments

logger = logging.getLogger(__name__)


class SettleArguments(Arguments):
    settlement: Settlement
    content: Word | None = Field(
        default=None, max_length=MAX_CONTENT, description="With `rewrite`: the text that takes the place of both."
    )
    reason: Word = Field(max_length=500, description="A sentence for people.")

    @model_validator(mode="after")
    def _has_its_text(self) -> Self:
        if (self.settlement == "rewrite") != (self.content is not None):
            raise ValueError("content belongs to rewrite, and only to it")
        return self


class Settle(Tool):
    """Taken up by `Settler`; no agent is offered it."""

    name = "settle"
    description = "Say which of the two entries is right."
    arguments = SettleArguments


class Settler:
    """Asks ``model`` about contradictions, within the task's budget. What it cannot settle stays open."""

    def __init__(self, memory: Memory, context: PhaseContext, model: str) -> None:
        self._memory = memory
        self._model = model
        self._context = replace(
            context, phase=MEMORY, phase_settings=PhaseSettings(max_turns=1), reporter=context.reporter.as_agent(MEMORY)
        )

    async def settle(self, conflict: MemoryConflict) -> None:
        """One call of the model, and one change of memory. Raises `StorageError` only."""
        if not await self._may_ask(conflict):
            logger.info("The budget is used up: the contradiction %s stays open", conflict.conflict_id)
            return
        try:
            turn = await self._ask(conflict)
            await tell(self._context, turn)
            await self._take(conflict, _answer(turn))
        except StorageError:
            raise
        except VgprojectError as error:
            logger.warning("The contradiction %s in memory stays open: %s", conflict.conflict_id, error.message)

    async def _may_ask(self, conflict: MemoryConflict) -> bool:
        """Recorded, since a budget can be raised while the server is down."""

        async def look() -> Json:
            return not Bounds(self._context, self._model, MEMORY).is_used_up

        return bool(await self._context.steps.run(f"budget/{conflict.conflict_id}", look))

    async def _ask(self, conflict: MemoryConflict) -> Turn:
        tool = ToolDefinition(
            name=Settle.name,
            description=Settle.description,
            parameters_json_schema=SettleArguments.model_json_schema(),
        )
        turns = ModelTurns(
            self._context,
            model=self._model,
            thread_id=f"{MEMORY}/{conflict.conflict_id}",
            instructions=load_prompt(MEMORY),
            tools=[tool],
        )
        return await turns.take(0, [], [UserPromptPart(_prompt(conflict))], sys.maxsize)

    async def _take(self, conflict: MemoryConflict, answer: SettleArguments) -> None:
        async def settle() -> Json:
            with suppress(ConflictError):  # It is settled: by a person meanwhile, or by this step before a crash.
                await self._memory.settle(
                    conflict.conflict_id,
                    answer.settlement,
                    actor=Actor(kind="agent", id=MEMORY),
                    content=answer.content,
                    reason=answer.reason,
                )

        await self._context.steps.run(f"settle/{conflict.conflict_id}", settle)


def _answer(turn: Turn) -> SettleArguments:
    for call in turn.response.tool_calls:
        if call.tool_name == Settle.name:
            answer = parse_arguments(Settle(), call.args)
            assert isinstance(answer, SettleArguments)
            return answer
    raise ToolFailure("The model did not call settle.", code="invalid_output")


def _prompt(conflict: MemoryConflict) -> str:
    return "\n\n".join(
        [
            f"Two entries of memory contradict each other. {one_line(conflict.reason)} {PREFACE}",
            f"The first, which was known before:\n{_side(conflict.first)}",
            f"The second, which is new:\n{_side(conflict.second)}",
        ]
    )


def _side(entry: MemoryEntry) -> str:
    """That the two contradict each other needs no mark here."""
    told = as_recalled(entry, "").model_copy(update={"conflicts_with": []})
    return f"Noted at {entry.created_at}, said {len(entry.origins)} times.\n{quote_entry(told)}"
