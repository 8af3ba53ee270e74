"""Where a running task holds: a wish to pause, a limit on turns or money. It goes on when it is resumed."""

from itertools import count

from vgproject.agents.context import PhaseContext
from vgproject.schema.events import BudgetExceeded, TaskPaused


class Bounds:
    """Looked at before each turn of a phase."""

    def __init__(self, context: PhaseContext, thread_id: str) -> None:
        self._context = context
        self._thread_id = thread_id
        self._max_turns = context.current_settings().max_turns or context.phase_settings.max_turns
        self._turns_granted = self._max_turns

    async def hold(self, turn: int) -> None:
        """Returns when turn number ``turn`` (from 0) of the phase may begin."""
        await self._hold_while_paused()
        if turn >= self._turns_granted:
            await self._hold_at(BudgetExceeded(limit="turns", allowed=self._turns_granted, used=turn), turn, 1)
            self._turns_granted += self._max_turns
        for times in count(1):
            if (exceeded := self._cost_exceeded()) is None:
                break
            await self._hold_at(exceeded, turn, times)

    def _cost_exceeded(self) -> BudgetExceeded | None:
        allowed = self._context.current_settings().max_cost_usd
        used = self._context.meter.task.cost_usd or 0.0
        if allowed is None or used < allowed:
            return None
        return BudgetExceeded(limit="cost_usd", allowed=allowed, used=used)

    async def _hold_at(self, exceeded: BudgetExceeded, turn: int, times: int) -> None:
        """``times`` counts the holds before the same turn: each needs a wish to resume of its own."""
        key = f"{self._thread_id}/budget/{turn}/{exceeded.limit}/{times}"
        stored = await self._context.reporter.send_update(exceeded, key)
        paused = TaskPaused(
            reason=f"The budget is used up: {exceeded.used:g} of {exceeded.allowed:g} {exceeded.limit}."
        )
        await self._context.reporter.send_update(paused, f"{key}/paused")
        with self._context.clock.stopped():
            await self._context.control.wait_for_resume(after=stored.seq)

    async def _hold_while_paused(self) -> None:
        while (wish := self._context.control.pause_requested) is not None:
            await self._context.reporter.send_update(TaskPaused(reason="A person paused the task."), f"paused/{wish}")
            with self._context.clock.stopped():
                await self._context.control.wait_for_resume(after=wish)
