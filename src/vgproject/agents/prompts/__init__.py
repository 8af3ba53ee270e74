"""The agents' instructions, one Markdown file for each phase."""

from importlib.resources import files


def load_prompt(name: str) -> str:
    return (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
