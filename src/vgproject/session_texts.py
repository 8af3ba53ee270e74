"""The texts in the making of one session, told to all who follow them at once."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from vgproject.broker.base import Broker, Delta, TextKey, text_key
from vgproject.delta_window import DeltaWindow
from vgproject.follower import Deltas, Follower, Write
from vgproject.text_frame import TextFrame, pack
from vgproject.texts import characters_of, split

MAX_ENDED = 1000
"""So many ended texts are remembered, should a broker bring a delta late."""


class _Group:
    """Followers with the same window: all have been told the same."""

    __slots__ = ("followers", "window")

    def __init__(self, window: DeltaWindow) -> None:
        self.window = window
        self.followers: dict[Follower, Write] = {}


class SessionTexts:
    """A text is told without a hole, or again from its beginning; never after the event that has the whole of it.

    ``due`` is called when it is time to `tell` a group, ``lose`` for a follower who has no room: it is to `leave` then.
    """

    __slots__ = (
        "_broker",
        "_due",
        "_ended",
        "_ends",
        "_frame_bytes",
        "_groups",
        "_lose",
        "_session_id",
        "_unable",
        "_windows",
    )

    def __init__(
        self,
        session_id: str,
        broker: Broker,
        *,
        frame_bytes: int,
        windows: Mapping[Deltas, float],
        due: Callable[[Deltas], None],
        lose: Callable[[Follower], None],
    ) -> None:
        self._session_id = session_id
        self._broker = broker
        self._frame_bytes = frame_bytes
        self._windows = windows
        self._due = due
        self._lose = lose
        self._groups: dict[Deltas, _Group] = {}
        self._ends: dict[TextKey, int] = {}
        """How far each text is told."""
        self._ended: dict[TextKey, None] = {}
        self._unable: set[Follower] = set()
        """They came in the middle of a text of which the beginning is not kept."""

    def add(self, delta: Delta) -> None:
        key = text_key(delta)
        if key in self._ended:
            return
        if delta["offset"] not in (0, self._ends.get(key)):
            so_far = next((text for text in self.so_far() if text_key(text) == key and not text["offset"]), None)
            if so_far is None:
                return
            delta = so_far
        self._ends[key] = delta["offset"] + len(delta["text"])
        for group in tuple(self._groups.values()):
            group.window.add(key, delta)

    def end(self, keys: Iterable[TextKey]) -> None:
        """The log has the whole of them now."""
        for key in keys:
            self._ended[key] = None
            self._drop(key)
        while len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]

    def withdraw(self, key: TextKey) -> None:
        """What waits to be told of it is not. Where the log was behind, the next reply may speak already: it is told from
        its beginning."""
        self._drop(key)
        for text in self.so_far():
            if text_key(text) == key and not text["offset"]:
                self.add(text)

    def _drop(self, key: TextKey) -> None:
        self._ends.pop(key, None)
        for group in self._groups.values():
            group.window.drop(key)

    def so_far(self) -> list[Delta]:
        """Each from its beginning; one of which that is not kept has another offset, and no text."""
        return [text for text in self._broker.partial(self._session_id) if text_key(text) not in self._ended]

    def join(self, follower: Follower) -> None:
        """``follower`` was told all that is so far."""
        if follower.deltas == "none":
            return
        self.tell(follower.deltas)
        so_far = self.so_far()
        if any(text["offset"] for text in so_far):
            self._unable.add(follower)
            return
        self._ends.update((text_key(text), len(text["text"])) for text in so_far)
        group = self._groups.get(follower.deltas) or self._open(follower.deltas)
        group.followers[follower] = follower.write

    def leave(self, follower: Follower) -> None:
        self._unable.discard(follower)
        group = self._groups.get(follower.deltas)
        if group and group.followers.pop(follower, None) and not group.followers:
            group.window.close()
            del self._groups[follower.deltas]

    def take_able(self) -> set[Follower]:
        """Those who could not be told of a text, and can be now: they are to join again."""
        if not self._unable or any(text["offset"] for text in self.so_far()):
            return set()
        able, self._unable = self._unable, set()
        return able

    def close(self) -> None:
        for group in self._groups.values():
            group.window.close()

    def _open(self, deltas: Deltas) -> _Group:
        characters = characters_of(self._frame_bytes)
        group = _Group(DeltaWindow(self._windows[deltas], characters, partial(self._due, deltas)))
        self._groups[deltas] = group
        return group

    def tell_all(self) -> None:
        for deltas in tuple(self._groups):
            self.tell(deltas)

    def tell(self, deltas: Deltas) -> None:
        """Once encoded and framed for the whole group."""
        group = self._groups.get(deltas)
        if group is None:
            return
        for payload in pack(split(group.window.take(), characters_of(self._frame_bytes)), self._frame_bytes):
            frame = TextFrame(payload)
            for follower in [follower for follower, write in group.followers.items() if not write(frame)]:
                self._lose(follower)
