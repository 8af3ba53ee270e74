"""What the phases hand over: the arguments of ``submit_research``, ``submit_plan`` and ``submit_implementation``."""

from typing import Annotated

from pydantic import Field, StringConstraints

from vgproject.schema.base import Text, Wire

Line = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]


class ResearchNotes(Wire):
    """What research found out. ``needs_implementation`` is false where the task only asked a question."""

    notes: Text = Field(description="What you found, in Markdown, for the one who plans the change.")
    key_facts: list[Line] = Field(default_factory=list, description="Facts worth remembering for later tasks.")
    related_files: list[Line] = Field(default_factory=list, description="Paths, relative to the workspace.")
    needs_implementation: bool = Field(default=True, description="False if nothing has to be changed.")


class PlanStep(Wire):
    id: Annotated[str, StringConstraints(min_length=1, max_length=60)] = Field(description="Short and unique, as '1'.")
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: str = ""
    files: list[Line] = Field(default_factory=list)


class Plan(Wire):
    """The plan that implementation follows."""

    summary: Text
    steps: list[PlanStep] = Field(min_length=1, max_length=50)


class ImplementationReport(Wire):
    summary: Text = Field(description="What was changed and how it was checked, in Markdown.")
