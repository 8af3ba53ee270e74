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
    models: dict[Phase, ModelName] = Field(default_factory=dict, description="A model for one phase.")
    approvals: Approvals | None = None
    test_command: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(
        default=None,
        description='Run when the agent says that it is done. By default one that is found in the project; "" for none.',
    )
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    max_turns: Annotated[int, Field(gt=0, le=10_000)] | None = Field(default=None, description="Turns of one phase.")

    take_uncommitted: bool | None = Field(
        default=None, description="Begin with the checkout's uncommitted work; asked when the session's files are made."
    )
    carry: Annotated[list[ShortText], Field(max_length=100)] | None = Field(
        default=None, description="Ignored files and directories to begin with, as '.env' or 'node_modules'."
    )

    def over(self, below: "SessionSettings") -> "SessionSettings":
        """These settings, and where they are silent, those ``below``."""
        chosen = {name: value for name, value in self if value is not None and name != "models"}
        return below.model_copy(update={**chosen, "models": {**below.models, **self.models}})
