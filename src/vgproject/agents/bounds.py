"""Where a running task holds: a wish to pause, a limit on turns or money. It goes on when it is resumed."""

from vgproject.agents.context import PhaseContext
from vgproject.schema.events import BudgetExceeded, BudgetWarning, TaskPaused


class Bounds:
    """Looked at before each turn of a phase."""

    def __init__(self, context: PhaseContext, model: str, thread_id: str) -> None:
        self._context = context
        self._model = model
        self._thread_id = thread_id
        self._max_turns = context.current_settings().max_turns or context.phase_settings.max_turns
        self._turns_granted = self._max_turns
        self._holds = 0

    async def hold(self, turn: int) -> None:
        """Returns when turn number ``turn`` (from 0) of the phase may begin."""
        await self._hold_while_paused()
        if turn >= self._turns_granted:
            await self._hold_at(BudgetExceeded(limit="turns", allowed=self._turns_granted, used=turn), turn)
            self._turns_granted += self._max_turns
        await self._warn_of_unknown_price()
        while (exceeded := self._cost_exceeded()) is not None:
            await self._hold_at(exceeded, turn)

    def _cost_exceeded(self) -> BudgetExceeded | None:
        allowed = self._context.current_settings().max_cost_usd
        used = self._context.meter.known_cost_usd
        if allowed is None or used < allowed:
            return None
        return BudgetExceeded(limit="cost_usd", allowed=allowed, used=used)

    async def _warn_of_unknown_price(self) -> None:
        """Said once in a task: the budget counts only what has a price."""
        allowed, meter = self._context.current_settings().max_cost_usd, self._context.meter
        if allowed is None or meter.task.cost_usd is not None:
            return
        message = (
            f"What {self._model} costs is not known, so the limit of ${allowed:g} counts only the calls of"
            " other models. Choose a model whose price is known, or set max_turns."
        )
        warning = BudgetWarning(limit="cost_usd", allowed=allowed, used=meter.known_cost_usd, message=message)
        await self._context.reporter.send_update(warning, "budget/unknown_price")

    async def _hold_at(self, exceeded: BudgetExceeded, turn: int) -> None:
        self._holds += 1
        key = f"{self._thread_id}/budget/{turn}/{exceeded.limit}/{self._holds}"
        paused = TaskPaused(
            reason=f"The budget is used up: {exceeded.used:g} of {exceeded.allowed:g} {exceeded.limit}."
        )
        [stored, _] = await self._context.reporter.send_updates([(exceeded, key), (paused, f"{key}/paused")])
        with self._context.clock.stopped():
            await self._context.control.wait_for_resume(after=stored.seq)

    async def _hold_while_paused(self) -> None:
        while (wish := self._context.control.pause_requested) is not None:
            await self._context.reporter.send_update(TaskPaused(reason="A person paused the task."), f"paused/{wish}")
            with self._context.clock.stopped():
                await self._context.control.wait_for_resume(after=wish)
