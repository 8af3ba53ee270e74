"""Strategies by name: built in, an entry point in ``vgproject.strategies``, or a dotted path."""

from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Protocol

from vgproject.agents.context import PhaseContext
from vgproject.agents.implementation_agent import ImplementationStrategy
from vgproject.agents.planning_agent import PlanningStrategy
from vgproject.agents.research_agent import ResearchStrategy
from vgproject.errors import ConfigError
from vgproject.schema.base import EventData


class PhaseStrategy(Protocol):
    """One way to do a phase."""

    async def run(self, context: PhaseContext) -> EventData:
        """Returns the event that tells of the phase's end and is handed over to the following phases."""


BUILT_IN: dict[str, type[PhaseStrategy]] = {
    "research": ResearchStrategy,
    "planning": PlanningStrategy,
    "implementation": ImplementationStrategy,
}


def load_strategy(name: str) -> PhaseStrategy:
    """Raises `ConfigError` where nothing has this name."""
    if name in BUILT_IN:
        return BUILT_IN[name]()
    for entry in entry_points(group="vgproject.strategies"):
        if entry.name == name:
            strategy: PhaseStrategy = entry.load()()
            return strategy
    try:
        made: PhaseStrategy = resolve_name(name)()
    except (ImportError, AttributeError, ValueError) as error:
        known = ", ".join(BUILT_IN)
        raise ConfigError(
            f"There is no strategy {name!r}: it must be one of {known}, an entry point, or package.module:Class."
        ) from error
    return made
