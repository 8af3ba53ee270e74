"""One connection's view of one session: the log from its cursor on, and the passing deltas between."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import orjson

from vgproject.broker.base import Broker, Delta
from vgproject.event_log import EventLog, LogCursor
from vgproject.schema.frames import Heartbeat

EVENTS_A_FRAME = 250
WINDOW_SECONDS = 0.02
MAX_BUFFERED_CHARACTERS = 128 * 1024

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
        send: Callable[[bytes], Awaitable[None]],
        heartbeat_seconds: float,
    ) -> None:
        self._session_id = session_id
        self._cursor = LogCursor(event_log, session_id, after)
        self._deltas = deltas
        self._event_log = event_log
        self._broker = broker
        self._send = send
        self._heartbeat_seconds = heartbeat_seconds
        self._news = asyncio.Event()
        self._buffer: dict[tuple[Any, ...], Delta] = {}
        self._buffered = 0
        self._lost = False
        self._deltas_sent_at = 0.0

    def on_wake(self, seq: int) -> None:
        self._cursor.reach(seq)
        self._news.set()

    def on_delta(self, delta: Delta) -> None:
        if self._deltas == "none" or self._lost:
            return
        key = (delta["type"], delta.get("message_id"), delta.get("tool_call_id"))
        if key in self._buffer:
            self._buffer[key]["text"] += delta["text"]
        else:
            self._buffer[key] = dict(delta)
        self._buffered += len(delta["text"])
        if self._buffered > MAX_BUFFERED_CHARACTERS:
            self._forget_deltas()
        self._news.set()

    def _forget_deltas(self) -> None:
        """The next deltas carry the text so far."""
        self._lost = True
        self._buffer.clear()
        self._buffered = 0

    async def run(self) -> None:
        """Send until cancelled. What is in the making when the client comes is told from its beginning."""
        stop = self._event_log.listen(self._session_id, self)
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
                head = await self._event_log.head(self._session_id)
                if self._cursor.reach(head.seq):
                    return
                beat = Heartbeat(session_id=self._session_id, head_seq=head.seq)
                await self._send(beat.model_dump_json().encode())

    async def _send_deltas(self) -> None:
        if self._lost:
            self._lost = False
            deltas = self._broker.partial(self._session_id)
        else:
            deltas = list(self._buffer.values())
        self._buffer.clear()
        self._buffered = 0
        if deltas:
            self._deltas_sent_at = time.monotonic()
            await self._send(orjson.dumps(deltas[0] if len(deltas) == 1 else deltas))

    async def _send_events(self) -> bool:
        """Send what is new in the log; whether there was something."""
        sent = False
        while events := await self._cursor.next_events():
            for start in range(0, len(events), EVENTS_A_FRAME):
                payloads = [event.payload for event in events[start : start + EVENTS_A_FRAME]]
                await self._send(payloads[0] if len(payloads) == 1 else b"[" + b",".join(payloads) + b"]")
            sent = True
        return sent
