"""The broker of one process."""

from collections import defaultdict
from collections.abc import Callable

from vgproject.broker.base import Delta, Listener, TextKey, text_key

MAX_PARTIAL_CHARACTERS = 200_000
"""What is kept of one text in the making for who comes in the middle."""


class InProcessBroker:
    def __init__(self, on_delta: Callable[[str], None] = lambda kind: None) -> None:
        """``on_delta`` is called with the type of each delta."""
        self._on_delta = on_delta
        self._listeners: dict[str, list[Listener]] = defaultdict(list)
        self._partial: dict[str, dict[TextKey, Delta]] = defaultdict(dict)

    async def check(self) -> None:
        """There is nothing between who sends and who listens."""

    def wake(self, session_id: str, seq: int) -> None:
        for listener in tuple(self._listeners.get(session_id, ())):
            listener.on_wake(seq)

    def send_delta(self, session_id: str, delta: Delta) -> None:
        self._on_delta(delta["type"])
        self._remember(session_id, delta)
        for listener in tuple(self._listeners.get(session_id, ())):
            listener.on_delta(delta)

    def _remember(self, session_id: str, delta: Delta) -> None:
        texts, key = self._partial[session_id], text_key(delta)
        so_far = texts.get(key)
        if delta["offset"] == 0:
            texts[key] = dict(delta)
        elif so_far and delta["offset"] == len(so_far["text"]) < MAX_PARTIAL_CHARACTERS:
            so_far["text"] += delta["text"]
        else:
            texts[key] = delta | {"offset": delta["offset"] + len(delta["text"]), "text": ""}

    def end_message(self, session_id: str, message_id: str) -> None:
        texts = self._partial.get(session_id, {})
        for key in [key for key, delta in texts.items() if message_id in (key[1], delta.get("message_id"))]:
            del texts[key]
        if not texts:
            self._partial.pop(session_id, None)

    def partial(self, session_id: str) -> list[Delta]:
        return [dict(delta) for delta in self._partial.get(session_id, {}).values()]

    def listen(self, session_id: str, listener: Listener) -> Callable[[], None]:
        self._listeners[session_id].append(listener)

        def stop() -> None:
            listeners = self._listeners[session_id]
            listeners.remove(listener)
            if not listeners:
                del self._listeners[session_id]

        return stop
