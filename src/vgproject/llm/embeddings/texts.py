"""A text as a model can be given it."""

LONGEST_TEXT = 8000
"""In characters. No model here reads further, or it refuses a text that is longer."""


def clean_text(text: str) -> str:
    """Not empty, not too long, and without the half characters that JSON can bring in but UTF-8 cannot hold."""
    return text[:LONGEST_TEXT].encode(errors="replace").decode() or " "
