"""The settings of a session and of one task: what a client may choose."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vgproject.schema.base import Phase, ShortText, Wire

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
"""``PROVIDER:NAME``, or several separated by commas: a fallback chain."""

Approvals = Literal["never", "on_request", "untrusted", "always"]


class Budget(Wire):
    """What may be used up; ``None`` is without a limit. ``turns`` are model calls, ``seconds`` the time that models and
    tools work."""

    cost_usd: Annotated[float, Field(gt=0)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    turns: Annotated[int, Field(gt=0, le=100_000)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None

    def over(self, below: "Budget") -> "Budget":
        """These limits, and where they are silent, those ``below``."""
        return below.model_copy(update={name: value for name, value in self if value is not None})


class SessionSettings(Wire):
    """A task's settings win over its session's, and those over the server's configuration; ``None`` means "as there"."""

    model: ModelName | None = None
    """``PROVIDER:NAME``, or several separated by commas: the next is asked where one fails for good."""
    models: dict[Phase, ModelName] = Field(default_factory=dict)
    """A model for one phase, by the phase's name; it wins over ``model``. So for ``expert`` and ``delegate``, who work beside the phases."""
    approvals: Approvals | None = None
    """Which tool calls ask first: none (``never``), commands where there is no sandbox (``on_request``), commands not
    known to be harmless (``untrusted``), all that can change something (``always``)."""
    plan_gate: bool | None = None
    """Wait for a person's word before the plan is followed: `plan_proposed`, `resolve_plan`."""
    test_command: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    """Run by the server when the agent says that it is done: implementation ends only when it passes. By default one
    that is found in the project; an empty one is none."""
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    """Of one task; one that has used it up is paused until it is resumed with a higher limit."""
    max_turns: Annotated[int, Field(gt=0, le=10_000)] | None = None
    """Turns of one phase; after so many the task is paused, and as many more are granted when it is resumed."""
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    """Of one task, as ``max_cost_usd``: what its models read and write."""
    max_task_turns: Annotated[int, Field(gt=0, le=100_000)] | None = None
    """Model calls of one task, in all of its phases."""
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """Time that models and tools work for one task; waiting for people does not count."""
    phase_budgets: dict[Phase, Budget] = Field(default_factory=dict)
    """A budget for one phase, by the phase's name."""
    approval_timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    """An approval that nobody gives for so long is denied."""
    take_uncommitted: bool | None = None
    """Begin with the checkout's uncommitted work; asked when the session's files are made."""
    carry: Annotated[list[ShortText], Field(max_length=100)] | None = None
    """Ignored files and directories to begin with, as '.env' or 'node_modules'."""

    def over(self, below: "SessionSettings") -> "SessionSettings":
        """These settings, and where they are silent, those ``below``."""
        chosen = {name: value for name, value in self if value is not None and not isinstance(value, dict)}
        by_phase = {
            "models": {**below.models, **self.models},
            "phase_budgets": below.phase_budgets
            | {phase: own.over(below.phase_budgets.get(phase, Budget())) for phase, own in self.phase_budgets.items()},
        }
        return below.model_copy(update={**chosen, **by_phase})

    @property
    def budget(self) -> Budget:
        """Of the whole task."""
        return Budget(
            cost_usd=self.max_cost_usd, tokens=self.max_tokens, turns=self.max_task_turns, seconds=self.max_seconds
        )
