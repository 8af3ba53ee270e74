"""Text for people and models: shortening, sentences out of parts, and what a terminal may be given."""

import json
import re
from typing import Any

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab: a model or a command could otherwise write anywhere on the screen, or to the clipboard."""


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def first_line(text: str, limit: int = 120) -> str:
    return shorten(text.strip().partition("\n")[0], limit)


def keep_ends(text: str, limit: int) -> str:
    """The first and last ``limit`` characters, and how many were left out between them."""
    left_out = len(text) - 2 * limit
    if left_out <= 0:
        return text
    return f"{text[:limit]}\n… {left_out} characters left out …\n{text[-limit:]}"


def without_controls(text: str) -> str:
    return CONTROLS.sub("", text)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Readable in any language, and with every control character escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub(r"[\x7f-\x9f]", lambda control: f"\\u{ord(control[0]):04x}", text)
