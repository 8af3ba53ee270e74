"""A language model that says again what another said, so that a finished task can be run again without a model."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vgproject.errors import ModelError
from vgproject.llm.base import ModelCall, ModelListener, ModelReply
from vgproject.llm.messages import dump_messages, load_response
from vgproject.schema.events import ErrorInfo, Usage

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class RecordedTurn:
    """``thread_id`` and ``turn`` are those of the call; ``request`` is what was sent anew."""

    thread_id: str
    turn: int
    model: str
    request: Messages
    response: dict[str, Any]
    usage: Usage


class RecordedBackend:
    """Answers by the call's conversation and turn, whatever it is asked; notes where that was first something else."""

    def __init__(
        self,
        turns: Sequence[RecordedTurn],
        failures: Mapping[str, ErrorInfo],
        is_same: Callable[[Messages, Messages], bool],
    ) -> None:
        """``failures`` are how conversations ended, where a call got no reply."""
        self._turns = {(turn.thread_id, turn.turn): turn for turn in turns}
        self._failures = failures
        self._is_same = is_same
        self.first_changed: RecordedTurn | None = None

    def has_reply(self, thread_id: str, turn: int) -> bool:
        return (thread_id, turn) in self._turns

    async def request(self, call: ModelCall, listener: ModelListener, *, attempt: int) -> ModelReply:
        recorded = self._turns.get((call.thread_id, call.turn))
        if recorded is None:
            return await self._fail_again(call)
        if self.first_changed is None and not self._is_same(recorded.request, dump_messages(call.messages[-1:])):
            self.first_changed = recorded
        return ModelReply(load_response(recorded.response), recorded.model, recorded.usage)

    async def _fail_again(self, call: ModelCall) -> ModelReply:
        failure = self._failures.get(call.thread_id)
        if failure is None:
            raise ModelError(
                f"The recording has no reply for turn {call.turn + 1} of {call.thread_id}.", code="recording_ended"
            )
        if failure.code == "cancelled":
            # The wish to cancel is said again too, and ends this wait.
            await asyncio.Event().wait()
        raise ModelError(failure.message, code=failure.code, retryable=failure.retryable)
