"""Model messages as JSON values, and back."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse

# Built at once: its first use would be in the middle of a task, and makes all others wait.
ModelMessagesTypeAdapter.rebuild()
_RESPONSE: TypeAdapter[ModelResponse] = TypeAdapter(ModelResponse)


def dump_messages(messages: Sequence[ModelMessage]) -> list[Any]:
    dumped: list[Any] = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json", exclude_defaults=True)
    for message, json in zip(messages, dumped, strict=True):
        json["kind"] = message.kind
        for part, part_json in zip(message.parts, json.get("parts", []), strict=True):
            part_json["part_kind"] = part.part_kind
    return dumped


def load_messages(messages: list[Any]) -> list[ModelMessage]:
    return ModelMessagesTypeAdapter.validate_python(messages)


def dump_response(response: ModelResponse) -> dict[str, Any]:
    [dumped] = dump_messages([response])
    return dict(dumped)


def load_response(response: dict[str, Any]) -> ModelResponse:
    return _RESPONSE.validate_python(response)
