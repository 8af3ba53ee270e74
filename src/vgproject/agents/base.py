"""What a phase is given, what it hands over, and the seam that makes its steps durable."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from vgproject.errors import PhaseError
from vgproject.schema.agent_outputs import Plan
from vgproject.schema.base import EventData, JsonObject, Phase
from vgproject.schema.events import ImplementationComplete, PhaseComplete, PlanningComplete, ResearchComplete
from vgproject.schema.settings import Budget

Json = Any
"""A JSON value. What a step returns is stored as JSON and comes back as JSON."""

Action = Callable[[], Awaitable[Json]]

COMPLETIONS = (ResearchComplete, PlanningComplete, ImplementationComplete, PhaseComplete)


class Steps(Protocol):
    """Durable steps of one task: a finished step is never run again, it answers with what it returned.

    A step is known by its number, so steps must be begun in the same order each time; ``reserve`` takes a
    number now for a step that runs later, or beside others.
    """

    async def run(self, name: str, action: Action) -> Json: ...

    def reserve(self, name: str) -> Callable[[Action], Awaitable[Json]]: ...


class ReservedSteps:
    """Steps taken in advance, for work that goes on beside other work of the same task.

    ``name`` is that of all of them; ``most`` is how many there are.
    """

    def __init__(self, steps: Steps, name: str, most: int) -> None:
        self._free = iter([steps.reserve(f"{name}/{number}") for number in range(most)])
        self._most = most

    async def run(self, name: str, action: Action) -> Json:
        return await self.reserve(name)(action)

    def reserve(self, name: str) -> Callable[[Action], Awaitable[Json]]:
        """Raises `PhaseError` (``too_many_steps``) where none is left."""
        reserved = next(self._free, None)
        if reserved is None:
            raise PhaseError(f"This takes more than {self._most} model and tool calls.", code="too_many_steps")
        return reserved


class PhaseSettings(BaseModel):
    """How a phase is done, from configuration: ``[phases.NAME]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: str | None = None
    """A short name, a dotted path ``package.module:Class``, or an entry point in ``vgproject.strategies``."""
    model: str | None = None
    max_turns: int = Field(default=60, gt=0)
    budget: Budget = Budget()
    """What the phase may use up; then the task is paused. Settings of the session or task win over it."""
    repeated_calls: int = Field(default=3, ge=2)
    """How often in a row the same call with the same result is made before the agent is told, and then the user."""
    idle_turns: int = Field(default=10, ge=2)
    """How many turns in a row may bring nothing new before the agent is told, and then the user."""
    timeout_seconds: float = Field(default=1800, gt=0)
    """Time that is spent waiting for a person does not count."""
    retries: int = Field(default=1, ge=0)
    """How often the phase is begun again after an error that may pass."""
    context_tokens: int = Field(default=120_000, ge=1_000)
    """How long a conversation may grow, by estimate, before its oldest parts are dropped."""
    tools: list[str] | None = None
    """Names of the tools it may use; by default those of its strategy."""


@dataclass(frozen=True)
class TaskInput:
    """Which task to run. ``attempt`` counts from 1; a retry begins at ``from_phase``."""

    session_id: str
    task_id: str
    attempt: int = 1
    from_phase: Phase | None = None

    @property
    def key(self) -> str:
        """The beginning of the keys of all events of this attempt."""
        return f"{self.task_id}/{self.attempt}"


def ids_of(task: TaskInput) -> dict[str, str]:
    """As attributes of a span, and in the log."""
    return {"session_id": task.session_id, "task_id": task.task_id}


@dataclass(frozen=True)
class Handover:
    """What the phases so far have made: their completion events, by phase."""

    completions: Mapping[Phase, EventData] = field(default_factory=dict)

    def with_completion(self, phase: Phase, completion: EventData) -> "Handover":
        return Handover({**self.completions, phase: completion})

    @property
    def notes(self) -> str:
        completion = self.completions.get("research")
        return completion.notes if isinstance(completion, ResearchComplete) else ""

    @property
    def related_files(self) -> list[str]:
        completion = self.completions.get("research")
        return completion.related_files if isinstance(completion, ResearchComplete) else []

    @property
    def plan(self) -> Plan | None:
        completion = self.completions.get("planning")
        return completion.plan if isinstance(completion, PlanningComplete) else None

    @property
    def needs_implementation(self) -> bool:
        completion = self.completions.get("research")
        return completion.needs_implementation if isinstance(completion, ResearchComplete) else True

    def outputs(self) -> dict[Phase, JsonObject]:
        """What phases that a pipeline adds have handed over."""
        added = {phase: done for phase, done in self.completions.items() if isinstance(done, PhaseComplete)}
        return {phase: done.output for phase, done in added.items()}
