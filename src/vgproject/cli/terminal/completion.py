"""Completion of orders and of their first word."""

from collections.abc import Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from vgproject.cli.terminal.orders import ORDERS
from vgproject.cli.terminal.state import SessionState


class OrderCompleter(Completer):
    def __init__(self, state: SessionState) -> None:
        self._state = state

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        if not typed.startswith("/"):
            return
        name, blank, rest = typed[1:].partition(" ")
        for order in ORDERS:
            for known in order.names:
                if not blank and known.startswith(name):
                    yield Completion(known, start_position=-len(name), display=f"/{known}", display_meta=order.does)
                elif blank and known == name and " " not in rest:
                    words = (word for word in order.choices(self._state) if word.startswith(rest))
                    yield from (Completion(word, start_position=-len(rest)) for word in words)
