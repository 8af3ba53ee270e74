"""Passing facts: "there is more in the log", and deltas. What a broker loses, the log still has."""

from collections.abc import Callable
from typing import Any, Protocol

Delta = dict[str, Any]
"""A plain dict as `schema.frames` describes it: deltas are too many for models."""
TextKey = tuple[str, str]
"""Names a text in the making: the type of its deltas, and the id of the message or tool call."""


def text_key(delta: Delta) -> TextKey:
    return delta["type"], delta.get("tool_call_id") or delta["message_id"]


class Listener(Protocol):
    """Called on the event loop; must not block."""

    def on_wake(self, seq: int) -> None:
        """The session's log reaches ``seq``."""

    def on_delta(self, delta: Delta) -> None: ...


class Broker(Protocol):
    async def check(self) -> None:
        """Raises `UnavailableError` (``broker_unavailable``) where what is sent reaches nobody."""

    def wake(self, session_id: str, seq: int) -> None:
        """Tell all who listen that the session's log reaches ``seq``."""

    def send_delta(self, session_id: str, delta: Delta) -> None: ...

    def end_message(self, session_id: str, message_id: str) -> None:
        """The text of this message or tool call is in the log now, or withdrawn."""

    def partial(self, session_id: str) -> list[Delta]:
        """For each text in the making one delta with offset 0 and the text so far; for one that is too long to be
        kept, one without text, at the offset that it has reached."""

    def listen(self, session_id: str, listener: Listener) -> Callable[[], None]:
        """Returns what ends the listening."""
