"""What memory may hold and give: ``[memory]`` of the configuration."""

from pydantic import BaseModel, ConfigDict, Field

from vgproject.schema.memory import CleanUpReason


class CareSettings(BaseModel):
    """``[memory.care]``: what a clean-up proposes, and what it may forget on its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    forget: tuple[CleanUpReason, ...] = ()
    """The reasons for which it forgets without being asked. By default it only proposes."""
    every_hours: float = Field(default=24, gt=0)
    unused_days: int = Field(default=180, ge=1)
    """An entry that was neither changed nor recalled for so long, and is not certain, is ``unused``."""
    keep_entries: int = Field(default=20_000, ge=1)
    """More than these are ``excess``: those of the least use."""


class MemorySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    max_entries: int = Field(default=200_000, ge=1)
    """Of a project or user."""
    max_notes: int = Field(default=200, ge=1)
    """That one phase of a task may add."""
    care: CareSettings = CareSettings()
    embeddings: str = "auto"
    """What finds entries by their meaning: ``auto`` (the model of the extra, where it is installed), ``none``,
    ``minilm``, or ``PROVIDER:NAME`` with ``openai``, ``openai-compatible`` or ``ollama``."""
    recall_tokens: int = Field(default=2_000, ge=0)
    """What a phase is told at its start, in tokens (about four characters each); 0 tells nothing."""
