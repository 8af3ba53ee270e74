"""What an agent is asked to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from vgproject.agents.calls import Call, Outcome
from vgproject.memory import MemorySaver

Submission = TypeVar("Submission")


@dataclass(frozen=True)
class Job(Generic[Submission]):
    """What an agent is asked to do, and how it says that it is done.

    ``thread_id`` names the conversation: its steps and events are kept under it.
    ``accept`` looks at what was submitted: it returns what is to be taken, or says what is wrong, for the model to mend.
    ``is_beside`` for an agent that works for another one: people do not steer it, and it makes no progress.
    """

    model: str
    memory: MemorySaver
    thread_id: str
    instructions: str
    prompt: str
    tools: list[str]
    submit: str
    output: type[Submission]
    accept: Callable[[Submission], Awaitable[Submission | str]] | None = None
    after_tool: Callable[[Call, Outcome], Awaitable[None]] | None = None
    is_beside: bool = False
