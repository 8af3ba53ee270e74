"""Where a running task holds: a wish to pause, a budget that is used up. It goes on when it is resumed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vgproject.agents.context import PhaseContext
from vgproject.agents.loop_watch import Notice
from vgproject.schema.events import BudgetExceeded, BudgetWarning, Limit, LoopPaused, TaskPaused, Usage
from vgproject.schema.settings import Budget

WARN_AT = 0.8


@dataclass(frozen=True)
class Measure:
    """How much of one limit is used."""

    scope: Literal["task", "phase"]
    limit: Limit
    allowed: float
    used: float

    @property
    def text(self) -> str:
        return f"{self.used:g} of {self.allowed:g} {self.limit} of the {self.scope}"


class Bounds:
    """Looked at before each turn of a phase."""

    def __init__(self, context: PhaseContext, model: str, thread_id: str) -> None:
        self._context = context
        self._model = model
        self._thread_id = thread_id
        self._turns_granted = 0
        """Beyond the limit, by resuming without raising it."""
        self._holds = 0

    async def hold(self, turn: int) -> None:
        """Returns when turn number ``turn`` (from 0) of the phase may begin."""
        await self._hold_while_paused()
        while turn >= (allowed := self._max_turns + self._turns_granted):
            await self._hold_at(Measure("phase", "turns", allowed, turn), turn)
            if turn >= self._max_turns + self._turns_granted:
                self._turns_granted += self._max_turns
        await self._warn_of_unknown_price()
        while exceeded := next((measure for measure in self._measures() if measure.used >= measure.allowed), None):
            await self._hold_at(exceeded, turn)
        for measure in [*self._measures(), Measure("phase", "turns", allowed, turn)]:
            if measure.used >= WARN_AT * measure.allowed:
                await self._warn(measure)

    @property
    def is_used_up(self) -> bool:
        """A limit of tokens, money, turns or time is reached."""
        return any(measure.used >= measure.allowed for measure in self._measures())

    @property
    def _max_turns(self) -> int:
        return self._context.current_settings().max_turns or self._context.phase_settings.max_turns

    def _measures(self) -> Iterator[Measure]:
        context, settings = self._context, self._context.current_settings()
        of_phase = settings.phase_budgets.get(context.phase, Budget()).over(context.phase_settings.budget)
        meter = context.meter
        yield from _measure("task", settings.budget, meter.task, meter.known_cost_usd())
        yield from _measure("phase", of_phase, meter.phase(context.phase), meter.known_cost_usd(context.phase))

    async def _warn(self, measure: Measure) -> None:
        """Said once of a limit: in the task, or in the phase."""
        warning = BudgetWarning(
            limit=measure.limit,
            allowed=measure.allowed,
            used=measure.used,
            scope=measure.scope,
            message=f"{measure.text} are used up: at the limit the task pauses.",
        )
        about = measure.scope if measure.scope == "task" else self._thread_id
        await self._context.reporter.send_update(warning, f"{about}/budget/{measure.limit}/{measure.allowed:g}")

    async def _warn_of_unknown_price(self) -> None:
        """Said once in a task: the budget counts only what has a price."""
        allowed, meter = self._context.current_settings().max_cost_usd, self._context.meter
        if allowed is None or meter.task.cost_usd is not None:
            return
        message = (
            f"What {self._model} costs is not known, so the limit of ${allowed:g} counts only the calls of"
            " other models. Choose a model whose price is known, or set max_turns."
        )
        warning = BudgetWarning(limit="cost_usd", allowed=allowed, used=meter.known_cost_usd(), message=message)
        await self._context.reporter.send_update(warning, "budget/unknown_price")

    async def _hold_at(self, measure: Measure, turn: int) -> None:
        self._holds += 1
        exceeded = BudgetExceeded(limit=measure.limit, allowed=measure.allowed, used=measure.used, scope=measure.scope)
        key = f"{self._thread_id}/budget/{turn}/{exceeded.limit}/{self._holds}"
        paused = TaskPaused(reason=f"The budget is used up: {measure.text}.")
        [stored, _] = await self._context.reporter.send_updates([(exceeded, key), (paused, f"{key}/paused")])
        with self._context.clock.stopped():
            await self._context.control.wait_for_resume(after=stored.seq)

    async def hold_for_loop(self, notice: Notice, key: str) -> None:
        """The agent was told that it gets nowhere, and went on so."""
        kind = "the same call again and again" if notice.kind == "repeated_call" else "no progress"
        paused = TaskPaused(reason=f"The agent seems to be stuck: {kind}, {notice.times} times. Say what to do.")
        told = LoopPaused(kind=notice.kind, times=notice.times)
        [stored, _] = await self._context.reporter.send_updates([(told, key), (paused, f"{key}/paused")])
        with self._context.clock.stopped():
            await self._context.control.wait_for_resume(after=stored.seq)

    async def _hold_while_paused(self) -> None:
        while (wish := self._context.control.pause_requested) is not None:
            await self._context.reporter.send_update(TaskPaused(reason="A person paused the task."), f"paused/{wish}")
            with self._context.clock.stopped():
                await self._context.control.wait_for_resume(after=wish)


def _measure(scope: Literal["task", "phase"], budget: Budget, used: Usage, cost_usd: float) -> Iterator[Measure]:
    limits: tuple[tuple[Limit, float | None, float], ...] = (
        ("cost_usd", budget.cost_usd, cost_usd),
        ("tokens", budget.tokens, used.input_tokens + used.output_tokens),
        ("turns", budget.turns, used.requests),
        ("seconds", budget.seconds, round(used.seconds, 3)),
    )
    for limit, allowed, so_far in limits:
        if allowed is not None:
            yield Measure(scope, limit, allowed, so_far)
