"""The settings of a session and of one task: what a client may choose."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from vgproject.schema.base import Phase, ShortText, Wire

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
"""``PROVIDER:NAME``, or several separated by commas: a fallback chain."""

Approvals = Literal["never", "on_request", "untrusted", "always"]


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
    take_uncommitted: bool | None = None
    """Begin with the checkout's uncommitted work; asked when the session's files are made."""
    carry: Annotated[list[ShortText], Field(max_length=100)] | None = None
    """Ignored files and directories to begin with, as '.env' or 'node_modules'."""

    def over(self, below: "SessionSettings") -> "SessionSettings":
        """These settings, and where they are silent, those ``below``."""
        chosen = {name: value for name, value in self if value is not None and name != "models"}
        return below.model_copy(update={**chosen, "models": {**below.models, **self.models}})
