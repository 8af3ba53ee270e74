"""What the model calls of a task take: tokens, turns and money, by phase and in all."""

from collections.abc import Iterable

from vgproject.schema.base import Phase
from vgproject.schema.events import Usage, UsageUpdated


def add_usage(one: Usage, other: Usage) -> Usage:
    """The sum; its cost is unknown as soon as one cost is."""
    cost = None if one.cost_usd is None or other.cost_usd is None else one.cost_usd + other.cost_usd
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        requests=one.requests + other.requests,
        cost_usd=cost,
        seconds=one.seconds + other.seconds,
    )


class Meter:
    def __init__(self, earlier: Iterable[UsageUpdated] = ()) -> None:
        """``earlier`` were told by earlier attempts at the same task."""
        self.task = Usage()
        self._known_cost_usd: dict[Phase, float] = {}
        self._phases: dict[Phase, Usage] = {}
        for told in earlier:
            self._know(told.phase, told.cost_usd)
            self._phases[told.phase], self.task = told.phase_usage, told.task_usage

    def phase(self, phase: Phase) -> Usage:
        return self._phases.get(phase, Usage())

    def known_cost_usd(self, phase: Phase | None = None) -> float:
        """Of the calls, by default all of the task, whose price is known."""
        return sum(cost for known, cost in self._known_cost_usd.items() if phase in (known, None))

    def _know(self, phase: Phase, cost_usd: float | None) -> None:
        self._known_cost_usd[phase] = self._known_cost_usd.get(phase, 0.0) + (cost_usd or 0.0)

    def work(self, phase: Phase, seconds: float) -> None:
        """Add the time that a tool has worked."""
        worked = Usage(seconds=seconds)
        self.task, self._phases[phase] = add_usage(self.task, worked), add_usage(self.phase(phase), worked)

    def count(self, phase: Phase, model: str, call: Usage, *, context_tokens: int = 0) -> UsageUpdated:
        """Add one call; the event that tells of it, and of how long a conversation may be."""
        self._know(phase, call.cost_usd)
        self.task, self._phases[phase] = add_usage(self.task, call), add_usage(self.phase(phase), call)
        return UsageUpdated(
            phase=phase,
            model=model,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost_usd=call.cost_usd,
            context_tokens=context_tokens,
            phase_usage=self._phases[phase],
            task_usage=self.task,
        )
