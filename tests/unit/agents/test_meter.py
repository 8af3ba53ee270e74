"""What a task has used, over all its attempts."""

from vgproject.agents.meter import Meter
from vgproject.schema.events import Usage


def test_a_later_attempt_counts_on_from_the_earlier_ones() -> None:
    first = Meter()
    told = [
        first.count("research", "m", Usage(input_tokens=10, output_tokens=1, requests=1, cost_usd=0.5, seconds=2)),
        first.count("planning", "m", Usage(input_tokens=20, output_tokens=2, requests=1, cost_usd=None)),
    ]
    first.work("planning", 3)
    told.append(first.count("planning", "m", Usage(input_tokens=5, requests=1, cost_usd=0.25, seconds=1)))
    second = Meter(told)
    assert second.task == first.task
    assert second.task.seconds == 6
    assert second.phase("planning") == first.phase("planning")
    assert second.phase("research").requests == 1
    assert (second.known_cost_usd(), second.known_cost_usd("planning")) == (0.75, 0.25)
    assert second.task.cost_usd is None
