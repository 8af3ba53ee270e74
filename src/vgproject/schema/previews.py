"""What is shown of an event's data that is too large for its frame."""

from typing import Any

import orjson

from vgproject.schema.base import EventData, JsonObject

MAX_DATA_BYTES = 64 * 1024
PREVIEWS = ((2_000, 50), (300, 10))
"""Characters of each text and items of each list; the second where the first is still too large."""


def preview(kind: type[EventData], data: JsonObject) -> dict[str, Any]:
    """``data`` with long texts and lists cut, so that it still loads as ``kind``."""
    shown = data
    for characters, items in PREVIEWS:
        shown = {key: _shorten(value, characters, items) for key, value in data.items()}
        if len(orjson.dumps(shown)) <= MAX_DATA_BYTES:
            return shown
    fields = kind.model_fields
    return {key: {} if fields[key].annotation == JsonObject else value for key, value in shown.items()}


def _shorten(value: object, characters: int, items: int) -> object:
    match value:
        case str():
            return value[:characters]
        case dict():
            return {key: _shorten(item, characters, items) for key, item in value.items()}
        case list():
            return [_shorten(item, characters, items) for item in value[:items]]
        case _:
            return value
