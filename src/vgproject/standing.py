"""What of a session's older events still says what the session is: for a client that is told only the last ones."""

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson

from vgproject.event_log import EventLog, StoredEvent
from vgproject.repositories.event_store import ENDS, PAUSES, TASK_STATUS
from vgproject.schema import events as e
from vgproject.schema.frames import SessionView, Snapshot
from vgproject.text_frame import pages

ALWAYS = frozenset(
    {
        e.SessionCreated.type,
        e.TaskQueued.type,
        *TASK_STATUS,
        *ENDS,
        e.TaskCancelRequested.type,
        e.TaskPauseRequested.type,
        e.PhaseStarted.type,
        e.PhaseFailed.type,
        e.PhaseRetrying.type,
        e.PhaseSkipped.type,
        e.ResearchComplete.type,
        e.PlanningComplete.type,
        e.ImplementationComplete.type,
        e.PhaseComplete.type,
        e.PlanProposed.type,
        e.PlanResolved.type,
        *PAUSES,
        e.WorkspaceRewound.type,
        e.MemberJoined.type,
        e.MemberLeft.type,
        e.RoleChanged.type,
        e.CommentAdded.type,
        e.CommentResolved.type,
        e.ControlRequested.type,
    }
)
"""A few for each task, and what people do among themselves."""
LAST: dict[str, tuple[str, ...]] = {
    e.SettingsUpdated.type: (),
    e.ProgressUpdate.type: ("task_id",),
    e.UsageUpdated.type: ("task_id",),
    e.PlanStepUpdated.type: ("task_id", "step_id"),
    e.FileChanged.type: ("path",),
    e.WorkspaceApplied.type: (),
    e.ControlChanged.type: (),
}
"""Of those that are the same in these fields the last says it all."""
OPEN = {
    e.ApprovalRequested.type: "approval_id",
    e.QuestionAsked.type: "question_id",
    e.RecoveryDecisionRequested.type: "recovery_id",
}
"""Questions to a person, until they are answered."""
ANSWERS = {
    e.ApprovalResolved.type: "approval_id",
    e.QuestionAnswered.type: "question_id",
    e.RecoveryDecisionResolved.type: "recovery_id",
}


async def read_snapshots(event_log: EventLog, view: SessionView, *, before: int, max_bytes: int) -> list[bytes]:
    """What stands of the events before the seq ``before``, as frames of not more than ``max_bytes``, but for one event
    that is larger alone."""
    types = {*ALWAYS, *LAST, *OPEN, *ANSWERS}
    events = await event_log.read(view.session_id, after=0, limit=before - 1, types=types)
    older = [event for event in events if event.seq < before]
    standing = await asyncio.to_thread(in_standing, older)  # Of a long log it takes a while.
    together = list(pages((event.payload for event in standing), max_bytes)) or [[]]
    return [_frame(view, page, more=number < len(together)) for number, page in enumerate(together, 1)]


def in_standing(events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """In order. Who takes in these knows of tasks, phases, plan, progress, cost, settings, changed files, members,
    comments, control and open questions what it would know from all; not what was said and done."""
    kept: dict[object, StoredEvent] = {}
    for event in events:
        if event.type in ALWAYS:
            kept[event.seq] = event
        elif event.type in ANSWERS:
            kept.pop((name := ANSWERS[event.type], _field(event, name)), None)
        elif event.type in OPEN:
            kept[(name := OPEN[event.type]), _field(event, name)] = event
        elif event.type in LAST:
            key = (event.type, *(_field(event, name) for name in LAST[event.type]))
            kept.pop(key, None)  # So that the newer one stands in its own place.
            kept[key] = event
    return list(kept.values())


def _field(event: StoredEvent, name: str) -> Any:
    frame = orjson.loads(event.payload)
    return frame["task_id"] if name == "task_id" else frame["data"][name]


def _frame(view: SessionView, page: list[bytes], *, more: bool) -> bytes:
    frame = Snapshot(session=view, more=more).model_dump_json(exclude={"standing"}).encode()
    return frame[:-1] + b',"standing":[' + b",".join(page) + b"]}"
