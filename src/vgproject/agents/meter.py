"""What the model calls of a task take: tokens, turns and money, by phase and in all."""

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
    )


class Meter:
    def __init__(self, task: Usage | None = None) -> None:
        self.task = task or Usage()
        self.known_cost_usd = self.task.cost_usd or 0.0
        """Of the calls whose price is known."""
        self._phases: dict[Phase, Usage] = {}

    def count(self, phase: Phase, model: str, call: Usage) -> UsageUpdated:
        """Add one call; the event that tells of it."""
        self.known_cost_usd += call.cost_usd or 0.0
        self.task = add_usage(self.task, call)
        self._phases[phase] = add_usage(self._phases.get(phase, Usage()), call)
        return UsageUpdated(
            phase=phase,
            model=model,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cost_usd=call.cost_usd,
            phase_usage=self._phases[phase],
            task_usage=self.task,
        )
