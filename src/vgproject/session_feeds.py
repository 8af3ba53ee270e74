"""The feeds of all sessions that are followed."""

from collections.abc import Mapping
from functools import partial

from vgproject.broker.base import Broker
from vgproject.event_log import EventLog
from vgproject.follower import Deltas
from vgproject.session_feed import SessionFeed

WINDOW_SECONDS: Mapping[Deltas, float] = {"all": 0.025, "coalesced": 0.25}


class SessionFeeds:
    def __init__(
        self,
        event_log: EventLog,
        broker: Broker,
        *,
        frame_bytes: int,
        heartbeat_seconds: float,
        windows: Mapping[Deltas, float] = WINDOW_SECONDS,
    ) -> None:
        self._event_log = event_log
        self._broker = broker
        self._frame_bytes = frame_bytes
        self._heartbeat_seconds = heartbeat_seconds
        self._windows = windows
        self._feeds: dict[str, SessionFeed] = {}

    def __len__(self) -> int:
        return len(self._feeds)

    def open(self, session_id: str) -> SessionFeed:
        """It is closed by the last follower that leaves it: one is to be added at once."""
        feed = self._feeds.get(session_id)
        if feed is None:
            feed = self._feeds[session_id] = SessionFeed(
                session_id,
                event_log=self._event_log,
                broker=self._broker,
                frame_bytes=self._frame_bytes,
                heartbeat_seconds=self._heartbeat_seconds,
                windows=self._windows,
                closed=partial(self._forget, session_id),
            )
        return feed

    def _forget(self, session_id: str) -> None:
        del self._feeds[session_id]
