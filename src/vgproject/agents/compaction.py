"""Keeping a conversation within what a model can take: the oldest results of tools go first, then the oldest turns.

What is dropped can be had again, by reading the file or running the command once more, so no model is asked to retell
it: a retelling costs a call, and may be wrong.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from vgproject.utils.text import shorten

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for code and English; what a provider counts differs by a quarter or so."""
KEPT_TURNS = 3
"""The last ones are left as they are."""
TARGET = 0.6
"""How full it is afterwards, so that not every turn compacts anew and the provider's cache stays of use."""
NOTE = "Earlier you called, with results that are dropped:"
NOTED_CALLS = 30
SHORT = 400
"""Characters below which dropping gains nothing."""


@dataclass(frozen=True)
class Compacted:
    history: list[ModelMessage]
    tokens_before: int
    tokens_after: int
    dropped: list[str]
    """What is not said to the model any more, one line each."""


def compact(history: Sequence[ModelMessage], limit_tokens: int) -> Compacted | None:
    """``None`` where ``history``, requests and replies in turn, is within the limit.

    The first request, which is the task, and what people have said always stay.
    """
    before = estimate_tokens(history)
    if before <= limit_tokens:
        return None
    dropped = list[str]()
    messages = list(history)
    over = _characters(messages) - int(TARGET * limit_tokens) * CHARACTERS_PER_TOKEN
    for number in range(1, len(messages) - 2 * KEPT_TURNS):
        if over <= 0:
            break
        shorter = _without_long_parts(messages[number], dropped)
        over += _characters([shorter]) - _characters([messages[number]])
        messages[number] = shorter
    while over > 0 and len(messages) > 2 * (KEPT_TURNS + 1):
        # A reply and the request that answers its calls go together: a result without its call is an error.
        merged = _merged(messages[0], messages[1], messages[2], dropped)
        over += _characters([merged]) - _characters(messages[:3])
        messages[:3] = [merged]
    return Compacted(messages, before, estimate_tokens(messages), dropped) if dropped else None


def estimate_tokens(messages: Sequence[ModelMessage]) -> int:
    return _characters(messages) // CHARACTERS_PER_TOKEN


def _characters(messages: Sequence[ModelMessage]) -> int:
    return sum(len(text) for message in messages for text in _texts(message))


def _texts(message: ModelMessage) -> Iterator[str]:
    for part in message.parts:
        match part:
            case ToolCallPart():
                yield part.args_as_json_str()
            case TextPart() | ThinkingPart() | UserPromptPart() | ToolReturnPart():
                yield str(part.content)
            case _:
                pass


def _without_long_parts(message: ModelMessage, dropped: list[str]) -> ModelMessage:
    if isinstance(message, ModelResponse):
        spoken = [part for part in message.parts if not isinstance(part, ThinkingPart)]
        return replace(message, parts=[_short_call(part, dropped) for part in spoken] or list(message.parts))
    return replace(message, parts=[_short_result(part, dropped) for part in message.parts])


def _short_result(part: Any, dropped: list[str]) -> Any:
    if not isinstance(part, ToolReturnPart) or len(str(part.content)) <= SHORT:
        return part
    dropped.append(f"The result of {part.tool_name}, {len(str(part.content))} characters.")
    return replace(part, content="[Dropped to save space. Call the tool again if you need this.]")


def _short_call(part: Any, dropped: list[str]) -> Any:
    """A file that was written is on disk: its content need not be said again."""
    if not isinstance(part, ToolCallPart) or len(part.args_as_json_str()) <= SHORT:
        return part
    dropped.append(f"What {part.tool_name} was called with, {len(part.args_as_json_str())} characters.")
    arguments = {name: _short_value(value) for name, value in part.args_as_dict().items()}
    return replace(part, args=arguments)


def _short_value(value: Any) -> Any:
    return value if len(json.dumps(value)) <= SHORT else "[Dropped to save space.]"


def _merged(first: ModelMessage, reply: ModelMessage, answer: ModelMessage, dropped: list[str]) -> ModelRequest:
    """The task, and what people have said since, with a line for each of the last calls that are dropped."""
    calls = [part for part in reply.parts if isinstance(part, ToolCallPart)]
    dropped.append(f"A turn with {len(calls)} calls.")
    said = [part for part in (*first.parts, *answer.parts) if isinstance(part, UserPromptPart)]
    lines = [line for part in said if _is_note(part) for line in str(part.content).splitlines()[1:]]
    lines += [f"- {part.tool_name} {shorten(part.args_as_json_str(), 60)}" for part in calls]
    note = [UserPromptPart("\n".join([NOTE, *lines[-NOTED_CALLS:]]))] if lines else []
    return ModelRequest(parts=[*(part for part in said if not _is_note(part)), *note])


def _is_note(part: UserPromptPart) -> bool:
    return str(part.content).startswith(NOTE)
