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

    def repeated_ids(self) -> list[str]:
        """Those that more than one step has."""
        ids = [step.id for step in self.steps]
        return sorted({step_id for step_id in ids if ids.count(step_id) > 1})


class Findings(Wire):
    answer: Text = Field(description="What you found, with the places where it can be looked up.")


class ImplementationReport(Wire):
    summary: Text = Field(description="What was changed and how it was checked, in Markdown.")
