"""What a session has changed, as lines."""

from typing import Any

from vgproject.cli.styles import Styles
from vgproject.utils.text import without_escapes

STYLES = {"+++": "bold", "---": "bold", "dif": "bold", "@@ ": "cyan"}
BY_SIGN = {"+": "green", "-": "red"}


def diff_lines(paint: Styles, diff: str) -> str:
    return "\n".join(_line(paint, line) for line in without_escapes(diff).rstrip("\n").split("\n"))


def _line(paint: Styles, line: str) -> str:
    style = STYLES.get(line[:3]) or BY_SIGN.get(line[:1])
    return paint(style, line) if style else line


def applied_lines(files: list[dict[str, Any]]) -> list[str]:
    lines = (f"{file['change']:>9} {file['path']} +{file['additions']} -{file['deletions']}" for file in files)
    return [without_escapes(line) for line in lines] or ["There is nothing to apply."]
