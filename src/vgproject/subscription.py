"""One connection's view of one session: the log from its cursor on, and the passing deltas between."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Literal

import orjson

from vgproject.access.members import ACCESS_EVENTS
from vgproject.broker.base import Broker, Delta
from vgproject.event_log import EventLog, LogCursor
from vgproject.outbox import Outbox
from vgproject.schema.frames import Heartbeat

WINDOW_SECONDS = 0.02

Deltas = Literal["all", "coalesced", "none"]


class Subscription:
    """Sends at the pace of its own client. A client that is behind loses deltas, never events."""

    def __init__(
        self,
        session_id: str,
        *,
        after: int,
        deltas: Deltas,
        event_log: EventLog,
        broker: Broker,
        outbox: Outbox,
        heartbeat_seconds: float,
        may_read: Callable[[], Awaitable[None]],
    ) -> None:
        """``may_read`` raises where the client may not see the session any more."""
        self.session_id = session_id
        self._cursor = LogCursor(event_log, session_id, after)
        self._deltas = deltas
        self._event_log = event_log
        self._broker = broker
        self._outbox = outbox
        self._heartbeat_seconds = heartbeat_seconds
        self._may_read = may_read
        self._news = asyncio.Event()
        self._buffer: dict[tuple[Any, ...], Delta] = {}
        self._held = 0
        self._lost = False
        self._deltas_sent_at = 0.0

    @property
    def events_behind(self) -> int:
        return self._cursor.events_behind

    def on_wake(self, seq: int) -> None:
        self._cursor.reach(seq)
        self._news.set()

    def on_delta(self, delta: Delta) -> None:
        if self._deltas == "none" or self._lost:
            return
        if not self._outbox.hold_delta(len(delta["text"])):
            self._forget_deltas()
            return
        self._held += len(delta["text"])
        key = (delta["type"], delta.get("message_id"), delta.get("tool_call_id"))
        if key in self._buffer:
            self._buffer[key]["text"] += delta["text"]
        else:
            self._buffer[key] = dict(delta)
        self._news.set()

    def _forget_deltas(self) -> None:
        """The next deltas carry the text so far."""
        self._lost = True
        self._empty_buffer()
        self._news.set()

    def _empty_buffer(self) -> None:
        self._buffer.clear()
        self._outbox.let_go(self._held)
        self._held = 0

    async def run(self) -> None:
        """Send until cancelled. What is in the making when the client comes is told from its beginning."""
        stop = self._event_log.listen(self.session_id, self)
        self._lost = self._deltas != "none"
        try:
            await self._send_events()
            while True:
                self._news.clear()
                await self._send_deltas()
                if not await self._send_events():
                    await self._wait_for_news()
                    await self._window()
        finally:
            stop()
            self._empty_buffer()

    async def _window(self) -> None:
        """Wait for more deltas where some were sent just now; the first after a silence goes out at once."""
        if self._buffer:
            window = WINDOW_SECONDS if self._deltas == "all" else 10 * WINDOW_SECONDS
            await asyncio.sleep(self._deltas_sent_at + window - time.monotonic())

    async def _wait_for_news(self) -> None:
        """With a heartbeat while there are none. The head comes from the log, in case a wake-up was lost."""
        while True:
            try:
                await asyncio.wait_for(self._news.wait(), self._heartbeat_seconds)
                return
            except TimeoutError:
                head = await self._event_log.head(self.session_id)
                if self._cursor.reach(head.seq):
                    return
                beat = Heartbeat(session_id=self.session_id, head_seq=head.seq)
                await self._outbox.send(beat.model_dump_json().encode())

    async def _send_deltas(self) -> None:
        if not self._buffer and not self._lost:
            return
        frames = _frames(self._take_deltas(), self._outbox.frame_bytes)

        async def next_frame() -> bytes | None:
            return next(frames, None)

        while await self._outbox.send_next(next_frame):
            self._deltas_sent_at = time.monotonic()

    def _take_deltas(self) -> Iterator[bytes]:
        """What has come until the first is asked for."""
        deltas = self._broker.partial(self.session_id) if self._lost else list(self._buffer.values())
        self._lost = False
        self._empty_buffer()
        for delta in deltas:
            yield from _pieces(delta, self._outbox.frame_bytes)

    async def _send_events(self) -> bool:
        """Send what is new in the log; whether there was something."""
        sent = False
        while await self._outbox.send_next(self._next_events):
            sent = True
        return sent

    async def _next_events(self) -> bytes | None:
        events = await self._cursor.next_events(max_bytes=self._outbox.frame_bytes)
        if any(event.type in ACCESS_EVENTS for event in events):
            await self._may_read()
        return _join([event.payload for event in events]) if events else None


def _frames(payloads: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """Each as large as it may be, and made when it is asked for."""
    together: list[bytes] = []
    size = 0
    for payload in payloads:
        if together and size + len(payload) > max_bytes:
            yield _join(together)
            together, size = [], 0
        together.append(payload)
        size += len(payload) + 1
    if together:
        yield _join(together)


def _join(payloads: list[bytes]) -> bytes:
    return payloads[0] if len(payloads) == 1 else b"[" + b",".join(payloads) + b"]"


def _pieces(delta: Delta, max_bytes: int) -> Iterator[bytes]:
    """A text so far that is larger than a frame is told in parts. A character may take six bytes as JSON."""
    whole = orjson.dumps(delta)
    if len(whole) <= max_bytes:
        yield whole
        return
    text, characters = delta["text"], max_bytes // 8
    for start in range(0, len(text), characters):
        piece = {"offset": delta["offset"] + start, "text": text[start : start + characters]}
        yield orjson.dumps(delta | piece)
