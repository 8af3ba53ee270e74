"""Two runs of a task compared, fact by fact. What depends on time or chance is no difference."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vgproject.cli.recording import ENDS
from vgproject.schema.frames import EventFrame

CHANCE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|µs|us|ns|s|secs?|seconds?)\b"), "<duration>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<address>"),
    (re.compile(r"\b[a-z]{3,4}_[0-9a-hjkmnp-tv-z]{26}\b"), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])([0-9a-f]{7,12}|[0-9a-f]{40})\b"), "<commit>"),
)
"""A commit's id depends on its time; that a file's own content looks like one is the rarer case."""

OUTPUTS = frozenset({"research_complete", "planning_complete", "implementation_complete", "phase_complete"})


@dataclass(frozen=True)
class Difference:
    """``what`` is a sentence's subject; ``then`` and ``now`` are the two sides, and ``None`` where there is none."""

    what: str
    then: Any
    now: Any


class Normaliser:
    """Takes out of a value what is another one in each run."""

    def __init__(self, session_id: str, projects: tuple[str, ...]) -> None:
        self._workspace = re.compile(rf"[^\s\"'=:]*/workspaces/{re.escape(session_id)}\b")
        self._projects = projects

    def value(self, value: Any) -> Any:
        match value:
            case str():
                return self._text(value)
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list():
                return [self.value(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        text = self._workspace.sub("<workspace>", text)
        for project in self._projects:
            text = text.replace(project, "<project>")
        for pattern, name in CHANCE:
            text = pattern.sub(name, text)
        return text

    def same_request(self, then: list[dict[str, Any]], now: list[dict[str, Any]]) -> bool:
        return bool(self.value(_said(then)) == self.value(_said(now)))


def compare(then: Sequence[EventFrame], now: Sequence[EventFrame], normaliser: Normaliser) -> list[Difference]:
    """What the second run made of each fact of the first, in its order, then what is new in the second."""
    before, after = dict(_facts(then)), dict(_facts(now))
    calls = {frame.data["tool_call_id"]: frame.data for frame in (*then, *now) if frame.type == "tool_requested"}
    return [
        Difference(_subject(name, calls), before.get(name), after.get(name))
        for name in (*before, *(name for name in after if name not in before))
        if normaliser.value(before.get(name)) != normaliser.value(after.get(name))
    ]


def _facts(frames: Sequence[EventFrame]) -> Iterator[tuple[tuple[str, str], Any]]:
    """By kind and what it is about."""
    for frame in frames:
        data = {name: value for name, value in frame.data.items() if name != "blob"}
        match frame.type:
            case "tool_completed":
                yield ("tool", data["tool_call_id"]), {"result": data["result"], **data["details"]}
            case "tool_failed":
                yield ("tool", data["tool_call_id"]), {"failed": data["code"], "message": data["message"]}
            case "file_changed":
                told = {name: data[name] for name in ("change", "additions", "deletions")}
                yield ("file", f"{data['path']} {data['tool_call_id']}"), told
            case "phase_failed":
                yield ("failure", data["phase"]), data["error"]
            case "phase_skipped":
                yield ("skipped", data["phase"]), data["reason"]
            case kind if kind in OUTPUTS:
                yield ("output", str(frame.phase)), data
            case kind if kind in ENDS:
                yield ("end", ""), {"end": kind, **{name: data[name] for name in data if name != "usage"}}


def _subject(name: tuple[str, str], calls: dict[str, dict[str, Any]]) -> str:
    kind, about = name
    match kind:
        case "tool":
            call = calls[about]
            return f"the result of {call['tool']} {json.dumps(call['arguments'], ensure_ascii=False)}"
        case "file":
            return f"the change of {about.rpartition(' ')[0]}"
        case "failure":
            return f"the failure of {about}"
        case "skipped":
            return f"the leaving out of {about}"
        case "output":
            return f"the output of {about}"
    return "the end of the task"


def _said(messages: list[dict[str, Any]]) -> list[Any]:
    """What the parts of a request say, without their times."""
    return [
        [part.get(name) for name in ("part_kind", "tool_name", "tool_call_id", "content")]
        for message in messages
        for part in message.get("parts", ())
    ]
