"""Text for people and models: shortening, and sentences out of parts."""


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
