"""Asking others. The agent loop takes these up (`vgproject.agents.consultations`); they are not run."""

from typing import Annotated

from pydantic import Field, StringConstraints

from vgproject.schema.base import ShortText, Text
from vgproject.tools.base import Arguments, Tool


class UserQuestion(Arguments):
    question: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    choices: Annotated[list[ShortText], Field(max_length=20)] = Field(
        default_factory=list, description="Proposed answers; the user may give another."
    )


class AskUser(Tool):
    name = "ask_user"
    description = "Ask the user what only they can decide. The task waits for the answer: ask rarely, and all at once."
    arguments = UserQuestion


class ExpertQuestion(Arguments):
    question: Text
    context: str = Field(default="", max_length=200_000, description="All that the expert has to know: code, errors.")


class AskExpert(Tool):
    name = "ask_expert"
    description = "Ask a stronger model, which sees nothing but what you write here, about something hard."
    arguments = ExpertQuestion


class DelegatedTask(Arguments):
    task: Text = Field(description="What to find out, with all that has to be known for it.")


class Delegate(Tool):
    name = "delegate"
    description = (
        "Let a colleague, who can read and search the project but change nothing, find something out."
        " Several calls in one turn are worked on side by side."
    )
    arguments = DelegatedTask
