"""What RA.Aid did in one of its sessions, told in a few lines from the records of its trajectory."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vgproject.knowledge.ra_aid_database import Row, text_of
from vgproject.utils.text import shorten

MAX_PART = 1_200
"""Characters of what was asked, and of the outcome."""
MAX_FILES = 20
CHANGES = {"file_write", "file_str_replace"}
"""Types of records that tell of a changed file; where the tool fails, the type is ``error``."""
COMPLETIONS = {"task_completion", "plan_completion"}
UPKEEP = {"gc_operation"}
"""Types of records of RA.Aid's own housekeeping."""
ENDS = {"completed", "error", "halting", "halted"}
"""A session's status that says how it ended. Only RA.Aid's server writes it; else it stays ``pending``."""


@dataclass(frozen=True)
class Run:
    asked: tuple[str, ...]
    records: Sequence[Row]
    status: str = ""
    command_line: str = ""


def describe_run(run: Run) -> str:
    """What was asked, which tools ran how often, files and outcome; nothing where nothing was asked and no tool ran."""
    tools = Counter(text_of(record["tool_name"]) for record in run.records if _is_call(record))
    asked = run.asked or _asked_in(run.records)
    if not tools and not asked:
        return ""
    changed = list(
        dict.fromkeys(path for record in run.records if record["record_type"] in CHANGES for path in _paths(record))
    )
    others = list(dict.fromkeys(path for record in run.records for path in _paths(record) if path not in changed))
    parts = {
        "Asked": shorten("\n".join(asked) or run.command_line, MAX_PART),
        "Tools": ", ".join(f"{name} {count}" for name, count in tools.most_common()),
        "Files changed": _listed(changed),
        "Files read or noted": _listed(others),
        "Errors": str(sum(bool(record["is_error"]) for record in run.records) or ""),
        "Outcome": shorten(_outcome(run), MAX_PART),
    }
    return "\n".join(f"{name}: {told}" for name, told in parts.items() if told)


def _is_call(record: Row) -> bool:
    return bool(record["tool_name"]) and record["record_type"] not in UPKEEP


def _asked_in(records: Iterable[Row]) -> tuple[str, ...]:
    """RA.Aid keeps its last hundred inputs only; the trajectory still has the older ones."""
    queries = (_object(record["step_data"]).get("query") for record in records if record["record_type"] == "user_query")
    return tuple(query for query in queries if isinstance(query, str))


def _outcome(run: Run) -> str:
    for record in reversed(run.records):
        if record["record_type"] in COMPLETIONS and (message := _object(record["tool_parameters"]).get("message")):
            return text_of(message)
    if run.status in ENDS:
        return run.status
    if run.records and run.records[-1]["is_error"]:
        return f"ended in an error: {text_of(run.records[-1]['error_message'])}"
    return "not recorded"


def _paths(record: Row) -> list[str]:
    parameters = _object(record["tool_parameters"])
    snippet, files = parameters.get("snippet_info"), parameters.get("files")
    named = [
        parameters.get("filepath"),
        snippet.get("filepath") if isinstance(snippet, dict) else None,
        *(files if isinstance(files, list) else []),
    ]
    return [path for path in named if isinstance(path, str) and path]


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - MAX_FILES
    return ", ".join(paths[:MAX_FILES]) + (f" and {more} more" if more > 0 else "")


def _object(value: object) -> dict[str, object]:
    """A JSON object kept as text; an empty one for anything else."""
    try:
        parsed = json.loads(text_of(value))
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
