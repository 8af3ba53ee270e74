"""A command once it is admitted: who gave it, and how its events are stored with its answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vgproject.access.permissions import Caller
from vgproject.errors import ConflictError
from vgproject.event_log import EventLog, NewEvent, StoredEvent
from vgproject.repositories.event_store import Answer, Holders
from vgproject.schema.base import EventData
from vgproject.utils.ids import NewId, derived_id

Ack = dict[str, Any]


@dataclass(frozen=True)
class Admission:
    """A command with who gave it. ``scope`` is what makes its ``id`` repeatable; empty if it has none."""

    caller: Caller
    scope: str
    new_id: NewId
    holders: Holders = None
    """The command's events are stored only while one of these holds control of the session."""

    def make_id(self, prefix: str) -> str:
        """The same id each time the same command comes."""
        return derived_id(prefix, self.scope) if self.scope else self.new_id(prefix)

    def event(
        self, data: EventData, answer: Ack | None = None, *, key: str | None = None, task_id: str | None = None
    ) -> NewEvent:
        """An event of the command, with the command's answer where it is this event that answers it."""
        return NewEvent(
            data,
            self.caller.actor,
            task_id=task_id,
            key=key or (f"command/{self.scope}" if self.scope else None),
            answer=Answer(self.scope, json.dumps(answer)) if self.scope and answer else None,
        )


async def say(
    event_log: EventLog,
    session_id: str,
    data: EventData,
    admission: Admission,
    answer: Ack | None = None,
    *,
    key: str | None = None,
    task_id: str | None = None,
    then: Sequence[NewEvent] = (),
) -> StoredEvent:
    """Store an event of the command and what follows.

    Raises `ConflictError` where the same command has said it already (``duplicate_command``), and where somebody else
    holds control (``control_held``).
    """
    event = admission.event(data, answer, key=key, task_id=task_id)
    stored, *_ = await event_log.append(session_id, [event, *then], holders=admission.holders)
    if key is None and not stored.inserted:
        raise ConflictError("This command was taken already.", code="duplicate_command")
    return stored
