"""A session's log as server-sent events, until the client goes or the server stops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from vgproject.access.live_access import End
from vgproject.access.members import ACCESS_EVENTS
from vgproject.errors import VgprojectError
from vgproject.event_log import EventLog
from vgproject.schema.frames import SessionView, Snapshot


async def tail_events(
    event_log: EventLog,
    view: SessionView,
    *,
    after: int,
    heartbeat_seconds: float,
    closing: asyncio.Event,
    may_read: Callable[[], Awaitable[None]],
    hold: Callable[[End], Callable[[], None]],
) -> AsyncIterator[bytes]:
    """A cursor ahead of the log is answered with a snapshot, and with the log from its first event.

    ``may_read`` raises `VgprojectError` where the client may not see the session any more; ``hold`` has what it is given
    called when its token ends.
    """
    if after > view.head_seq:
        yield b"event: snapshot\ndata: %s\n\n" % Snapshot(session=view).model_dump_json().encode()
        after = 0
    ended = asyncio.Event()

    async def end(code: int, reason: str) -> None:
        ended.set()

    release = hold(end)
    batches = event_log.follow(view.session_id, after=after)
    ends = [asyncio.create_task(event.wait(), name="event stream end") for event in (closing, ended)]
    batch = asyncio.ensure_future(anext(batches))
    try:
        while not closing.is_set() and not ended.is_set():
            await asyncio.wait({batch, *ends}, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not batch.done():
                yield b": heartbeat\n\n"
                continue
            if any(event.type in ACCESS_EVENTS for event in batch.result()) and not await _is_allowed(may_read):
                return
            for event in batch.result():
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), event.payload)
            batch = asyncio.ensure_future(anext(batches))
    finally:
        release()
        for task in (*ends, batch):
            task.cancel()
        await asyncio.gather(*ends, batch, return_exceptions=True)
        await batches.aclose()


async def _is_allowed(may_read: Callable[[], Awaitable[None]]) -> bool:
    try:
        await may_read()
    except VgprojectError:
        return False
    return True
