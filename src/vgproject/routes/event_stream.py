"""A session's log as server-sent events, until the client goes or the server stops."""

import asyncio
from collections.abc import AsyncIterator

from vgproject.event_log import EventLog
from vgproject.schema.frames import SessionView, Snapshot


async def tail_events(
    event_log: EventLog, view: SessionView, *, after: int, heartbeat_seconds: float, closing: asyncio.Event
) -> AsyncIterator[bytes]:
    """A cursor ahead of the log is answered with a snapshot, and with the log from its first event."""
    if after > view.head_seq:
        yield b"event: snapshot\ndata: %s\n\n" % Snapshot(session=view).model_dump_json().encode()
        after = 0
    batches = event_log.follow(view.session_id, after=after)
    closed = asyncio.create_task(closing.wait(), name="event stream end")
    batch = asyncio.ensure_future(anext(batches))
    try:
        while not closing.is_set():
            await asyncio.wait({batch, closed}, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                yield b": heartbeat\n\n"
                continue
            for event in batch.result():
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), event.payload)
            batch = asyncio.ensure_future(anext(batches))
    finally:
        closed.cancel()
        batch.cancel()
        await asyncio.gather(closed, batch, return_exceptions=True)
        await batches.aclose()
