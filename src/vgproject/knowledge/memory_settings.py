"""What memory may hold and give: ``[memory]`` of the configuration."""

from pydantic import BaseModel, ConfigDict, Field


class MemorySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    max_entries: int = Field(default=200_000, ge=1)
    """Of a project or user."""
    max_notes: int = Field(default=200, ge=1)
    """That one phase of a task may add."""
    recall_tokens: int = Field(default=2_000, ge=0)
    """What a phase is told at its start, in tokens (about four characters each); 0 tells nothing."""
