"""Text for people and models: shortening, sentences out of parts, and what a terminal may be given."""

import json
import re
from typing import Any

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All but newline and tab: a model or a command could otherwise write anywhere on the screen, or to the clipboard, or
turn the order of what is read."""
COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\n]*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]", re.MULTILINE)
"""Sequences that a terminal obeys: those with parameters, those with a text, and short ones."""


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


def only_colours(text: str) -> str:
    """What a command prints, for a terminal: of all that a terminal obeys only newline, tab and colours."""
    kept = ESCAPES.sub(lambda found: found[0] if COLOURS.fullmatch(found[0]) else "", text)
    parts = COLOURS.split(kept)
    # What was between two sequences may have become one: only what the split has found is let through.
    parts[::2] = [without_controls(part) for part in parts[::2]]
    return "".join(parts)


def without_escapes(text: str) -> str:
    """What a command prints, without colours too: nothing is left of a sequence, as `without_controls` leaves it."""
    return without_controls(ESCAPES.sub("", text))


def with_visible_controls(text: str) -> str:
    """For what a person decides about: nothing that would be run is hidden."""
    return CONTROLS.sub(lambda control: control[0].encode("unicode_escape").decode(), text)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Readable in any language, and with every control character escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub(r"[\x7f-\x9f]", lambda control: f"\\u{ord(control[0]):04x}", text)
