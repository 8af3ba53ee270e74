"""What a session's conversation is: its log without what was rewound, after what it was forked from."""

from collections.abc import Collection, Sequence

from vgproject.errors import NotFoundError
from vgproject.event_log import EventLog, StoredEvent
from vgproject.schema.events import SessionForked, WorkspaceRewound


async def read_conversation(
    event_log: EventLog, session_id: str, types: Collection[str], *, up_to: int | None = None
) -> list[StoredEvent]:
    """The events of these types that are in force at the seq ``up_to``, by default now."""
    marks = {SessionForked.type, WorkspaceRewound.type}
    events = in_force(await event_log.read_types(session_id, {*types, *marks}), up_to=up_to)
    before: list[StoredEvent] = []
    for fork in (data for event in events if isinstance(data := event.data(), SessionForked)):
        try:
            before = await read_conversation(event_log, fork.from_session, types, up_to=fork.from_seq)
        except NotFoundError:
            continue
    return [*before, *(event for event in events if event.type in types)]


def in_force(events: Sequence[StoredEvent], *, up_to: int | None = None) -> list[StoredEvent]:
    """The events that no later rewind has taken back. A rewind may also lead into what was taken back before it."""
    kept = []
    for event in reversed(events):
        if up_to is not None and event.seq > up_to:
            continue
        kept.append(event)
        if event.type == WorkspaceRewound.type:
            up_to = int(event.frame().data["to_seq"])
    return kept[::-1]
