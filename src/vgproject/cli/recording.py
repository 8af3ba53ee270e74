"""A session as it was recorded: its finished tasks, what people said meanwhile, and every model reply."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vgproject.cli.client import Client
from vgproject.errors import ConflictError, NotFoundError
from vgproject.llm.recorded import RecordedTurn
from vgproject.schema.events import ErrorInfo, TaskQueued, Usage, UserMessage
from vgproject.schema.frames import EventFrame, TurnView
from vgproject.schema.memory import MemoryEntry
from vgproject.schema.settings import SessionSettings

ENDS = frozenset({"task_completed", "task_failed", "task_cancelled"})
PAGE = 1000
TurnKey = tuple[str, int]
"""A model call: the conversation, with the attempt, and the number of its turn."""


@dataclass(frozen=True)
class Attempt:
    """``frames`` are the events from its beginning, ``task_queued`` or ``task_retried``, to its end."""

    number: int
    frames: list[EventFrame]

    @property
    def from_phase(self) -> str | None:
        return self.frames[0].data.get("phase") if self.frames[0].type == "task_retried" else None

    @property
    def settings(self) -> SessionSettings | None:
        """What was in force, for a log that says so."""
        started = (frame.data.get("settings") for frame in self.frames if frame.type == "task_started")
        found = next(started, None)
        return SessionSettings.model_validate(found) if found else None


@dataclass(frozen=True)
class RecordedTask:
    task_id: str
    request: TaskQueued
    attempts: list[Attempt]
    turns: list[RecordedTurn]

    @property
    def queued_at(self) -> str:
        return self.attempts[0].frames[0].time

    def failures(self) -> dict[str, ErrorInfo]:
        """How each conversation ended that did not come to its result, by its name."""
        failed: dict[str, ErrorInfo] = {}
        for attempt in self.attempts:
            begun: Counter[str] = Counter()
            for frame in attempt.frames:
                phase = str(frame.data.get("phase"))
                if frame.type == "phase_started":
                    begun[phase] += 1
                elif frame.type in ("phase_retrying", "phase_failed"):
                    error = ErrorInfo.model_validate(frame.data["error"])
                    failed.setdefault(f"{attempt.number}/{phase}/{begun[phase]}", error)
        return failed

    def messages(self) -> dict[TurnKey, list[UserMessage]]:
        """What people said to the running task, by the model call that took it up."""
        taken: dict[TurnKey, list[UserMessage]] = defaultdict(list)
        for attempt in self.attempts:
            said = [frame for frame in attempt.frames if frame.type == "user_message"]
            waiting = [UserMessage.model_validate(frame.data) for frame in said]
            for turn in self.turns:
                prompts = list(_prompts(turn)) if turn.thread_id.startswith(f"{attempt.number}/") else []
                while waiting and waiting[0].text in prompts:
                    prompts.remove(waiting[0].text)
                    taken[turn.thread_id, turn.turn].append(waiting.pop(0))
        return taken


@dataclass(frozen=True)
class RecordedSession:
    """``commit`` is where the session's copy of the project began; none for a project without commits."""

    session_id: str
    project: str
    title: str
    owner: str
    settings: SessionSettings
    commit: str | None
    tasks: list[RecordedTask]
    memory: list[MemoryEntry]


async def load_recording(client: Client, session_id: str, task_id: str | None) -> RecordedSession:
    """The finished tasks, up to ``task_id`` where one is named. Raises `NotFoundError` and `ConflictError`."""
    view = await client.request("GET", f"/v1/sessions/{session_id}")
    statuses = {task["task_id"]: task["status"] for task in view["tasks"]}
    if task_id is not None and task_id not in statuses:
        raise NotFoundError(f"There is no task {task_id!r} in the session {session_id}.", code="no_such_task")
    wanted = list(statuses)[: list(statuses).index(task_id) + 1] if task_id else list(statuses)
    unfinished = [name for name in wanted if f"task_{statuses[name]}" not in ENDS]
    if unfinished:
        raise ConflictError(
            f"The task {unfinished[0]} is {statuses[unfinished[0]]}: only finished tasks can be run again."
            " Name an earlier one with --task, or wait for its end.",
            code="task_not_finished",
        )
    frames = [frame async for frame in _frames(client, session_id)]
    turns = [TurnView.model_validate(turn) for turn in await client.request("GET", f"/v1/sessions/{session_id}/turns")]
    tasks = [_task(name, frames, [turn for turn in turns if turn.task_id == name]) for name in wanted]
    ran = [task for task in tasks if any(frame.type == "task_started" for frame in task.attempts[0].frames)]
    if not ran:
        raise ConflictError("The session has no task that was run to its end.", code="no_finished_task")
    created = [frame.data for frame in frames if frame.type == "workspace_created"]
    memory = await client.request("GET", "/v1/memory", params={"project": view["project"]})
    entries = [MemoryEntry.model_validate(entry) for entry in memory]
    return RecordedSession(
        session_id=session_id,
        project=view["project"],
        title=view["title"],
        owner=view["owner"],
        settings=SessionSettings.model_validate(view["settings"]),
        commit=created[0]["commit"] if created else None,
        tasks=ran,
        memory=[entry for entry in entries if entry.origin.session_id != session_id],
    )


async def _frames(client: Client, session_id: str) -> Any:
    after = 0
    while True:
        query = {"after": after, "limit": PAGE}
        page = await client.request("GET", f"/v1/sessions/{session_id}/events", params=query)
        if not page["events"]:
            return
        for event in page["events"]:
            yield EventFrame.model_validate(event)
        after = page["events"][-1]["seq"]


def _task(task_id: str, frames: Sequence[EventFrame], turns: Sequence[TurnView]) -> RecordedTask:
    attempts = list(_attempts(task_id, frames))
    recorded = [turn for attempt in attempts for turn in _turns(attempt, turns)]
    return RecordedTask(task_id, TaskQueued.model_validate(attempts[0].frames[0].data), attempts, recorded)


def _attempts(task_id: str, frames: Sequence[EventFrame]) -> Iterator[Attempt]:
    """Each with the events of the session itself that fall into it, as a change of its settings."""
    attempt: Attempt | None = None
    for frame in frames:
        mine = frame.task_id == task_id
        if mine and frame.type in ("task_queued", "task_retried"):
            attempt = Attempt(frame.data.get("attempt", 1), [])
        if attempt and (mine or frame.task_id is None):
            attempt.frames.append(frame)
        if attempt and mine and frame.type in ENDS:
            yield attempt
            attempt = None


def _turns(attempt: Attempt, turns: Sequence[TurnView]) -> Iterator[RecordedTurn]:
    """In the order in which they were taken, each with what its call took."""
    phases = list(dict.fromkeys(frame.data["phase"] for frame in attempt.frames if frame.type == "phase_started"))
    for phase in phases:
        usages = iter([f.data for f in attempt.frames if f.type == "usage_updated" and f.data["phase"] == phase])
        of_phase = [turn for turn in turns if turn.run.startswith(f"{attempt.number}/{phase}/")]
        for turn in sorted(of_phase, key=lambda turn: (int(turn.run.rpartition("/")[2]), turn.turn)):
            yield RecordedTurn(turn.run, turn.turn, turn.model, turn.request, turn.response, _usage(next(usages, None)))


def _usage(told: dict[str, Any] | None) -> Usage:
    if told is None:
        return Usage(requests=1)
    names = ("input_tokens", "output_tokens", "cost_usd")
    return Usage(requests=1, **{name: told[name] for name in names})


def _prompts(turn: RecordedTurn) -> Iterator[str]:
    for message in turn.request:
        for part in message.get("parts", ()):
            if part.get("part_kind") == "user-prompt" and isinstance(part.get("content"), str):
                yield part["content"]
