"""Who follows a session, as its feed knows them."""

from collections.abc import Callable
from typing import Literal, Protocol

from vgproject.event_log import LogCursor
from vgproject.text_frame import TextFrame

Deltas = Literal["all", "coalesced", "none"]
Write = Callable[[TextFrame], bool]
"""Writes at once; false where the client has no room."""


class Follower(Protocol):
    """While it is live the feed writes to it; else it reads on with its own cursor until it joins again."""

    @property
    def deltas(self) -> Deltas: ...

    @property
    def cursor(self) -> LogCursor: ...

    @property
    def write(self) -> Write: ...

    def read_on(self) -> None:
        """It is live no more, and its cursor is where that ended."""

    def fail(self, error: Exception) -> None:
        """It is live no more, and its client is to be told why."""
