"""The texts in the making: which event ends which of them, and how much of one fits into a frame."""

from collections.abc import Iterable, Iterator, Mapping

import orjson

from vgproject.broker.base import Delta, TextKey, text_key
from vgproject.schema.events import (
    AgentMessage,
    ModelFellBack,
    ModelRetried,
    Reasoning,
    ToolCompleted,
    ToolFailed,
    ToolRequested,
)

_ENDS = {
    AgentMessage.type: ("message_id", ("text_delta",)),
    Reasoning.type: ("message_id", ("reasoning_delta",)),
    ToolRequested.type: ("tool_call_id", ("tool_arguments_delta",)),
    ToolCompleted.type: ("tool_call_id", ("tool_arguments_delta", "tool_output_delta")),
    ToolFailed.type: ("tool_call_id", ("tool_arguments_delta", "tool_output_delta")),
}


_WITHDRAWS = dict.fromkeys((ModelRetried.type, ModelFellBack.type), ("message_id", ("text_delta", "reasoning_delta")))


def ended_texts(event_type: str, payload: bytes) -> tuple[TextKey, ...]:
    """Those that the event has the whole of: after it nothing more is told of them."""
    return _texts_of(_ENDS, event_type, payload)


def withdrawn_texts(event_type: str, payload: bytes) -> tuple[TextKey, ...]:
    """Those that do not count any more: what is told of them after the event begins anew."""
    return _texts_of(_WITHDRAWS, event_type, payload)


def _texts_of(table: Mapping[str, tuple[str, tuple[str, ...]]], event_type: str, payload: bytes) -> tuple[TextKey, ...]:
    if event_type not in table:
        return ()
    name, delta_types = table[event_type]
    text_id = orjson.loads(payload)["data"][name]
    return tuple((delta_type, text_id) for delta_type in delta_types)


def characters_of(frame_bytes: int) -> int:
    """So many fit into a frame whatever they are: as JSON a character takes up to six bytes."""
    return frame_bytes // 8


def split(deltas: Iterable[Delta], characters: int) -> Iterator[bytes]:
    """As JSON; a longer text is told in parts."""
    for delta in deltas:
        text = delta["text"]
        for start in range(0, len(text), characters):
            part = {"offset": delta["offset"] + start, "text": text[start : start + characters]}
            yield orjson.dumps(delta | part)


class ToldTexts:
    """How much of each text in the making one client was told."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[TextKey, tuple[int, int]] = {}

    def next_parts(self, texts: Iterable[Delta], characters: int) -> list[Delta]:
        """Of ``texts``, each so far from its beginning, up to so many characters that were not told yet.

        A text that was withdrawn and is another now is told from its beginning.
        """
        parts: list[Delta] = []
        for delta in texts:
            key, text = text_key(delta), delta["text"]
            start, mark = self._told.get(key, (0, 0))
            if start and hash(text[:start]) != mark:
                start = 0
            end = min(start + characters, len(text))
            if end > start:
                parts.append(delta | {"offset": start, "text": text[start:end]})
                self._told[key] = end, hash(text[:end])
                characters -= end - start
        return parts
