"""Strategies by name: built in, an entry point in ``vgproject.strategies``, or a dotted path."""

import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import Protocol

from vgproject.agents.context import PhaseContext
from vgproject.agents.implementation_agent import ImplementationStrategy
from vgproject.agents.planning_agent import PlanningStrategy
from vgproject.agents.research_agent import ResearchStrategy
from vgproject.errors import ConfigError
from vgproject.memory import MemorySaver
from vgproject.schema.base import EventData

GROUP = "vgproject.strategies"
DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class PhaseStrategy(Protocol):
    """One way to do a phase."""

    async def run(
        self, base_task: str, model: str, memory: MemorySaver, thread_id: str, *, context: PhaseContext
    ) -> EventData:
        """Returns the event that tells of the phase's end and is handed over to the following phases.

        ``thread_id`` names this attempt at the phase: its steps and events are kept under it.
        """


BUILT_IN: dict[str, type[PhaseStrategy]] = {
    "research": ResearchStrategy,
    "planning": PlanningStrategy,
    "implementation": ImplementationStrategy,
}


def load_strategy(name: str) -> PhaseStrategy:
    """Raises `ConfigError` (``no_such_strategy``) where nothing has this name.

    A module is imported only for a name with a colon, which the project's file may not give.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]()
    for entry in entry_points(group=GROUP, name=name):
        return _make(name, entry.load)
    if DOTTED_PATH.fullmatch(name):
        return _make(name, lambda: resolve_name(name))
    known = ", ".join([*BUILT_IN, *sorted(entry_points(group=GROUP).names)])
    raise ConfigError(
        f"There is no strategy {name!r}: it must be one of {known}, or package.module:Class.", code="no_such_strategy"
    )


def _make(name: str, load: Callable[[], type[PhaseStrategy]]) -> PhaseStrategy:
    try:
        return load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(f"The strategy {name!r} cannot be loaded: {error}.", code="no_such_strategy") from error
