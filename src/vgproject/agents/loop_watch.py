"""Notices that an agent repeats itself or gets nowhere: first it is told, then the user is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["repeated_call", "no_progress"]


@dataclass(frozen=True)
class Done:
    """A tool call that was made, and what came of it."""

    tool: str
    arguments: str
    result: str
    changed_files: bool = False
    waits: bool = False
    """It looked at something that still runs: to look again is no repetition."""


@dataclass(frozen=True)
class Notice:
    """``again``: the agent was told before and went on so."""

    kind: Kind
    times: int
    again: bool

    @property
    def message(self) -> str:
        what = (
            f"You have made the same call with the same result {self.times} times in a row."
            if self.kind == "repeated_call"
            else f"Your last {self.times} turns have changed nothing and found nothing new."
        )
        return f"{what} Do something else: what is still missing? If you cannot go on, submit what you have and say so."


class LoopWatch:
    def __init__(self, *, repeated_calls: int, idle_turns: int) -> None:
        self._most: dict[Kind, int] = {"repeated_call": repeated_calls, "no_progress": idle_turns}
        self._times: dict[Kind, int] = {"repeated_call": 0, "no_progress": 0}
        self._told: set[Kind] = set()
        self._last: Done | None = None
        self._known: set[Done] = set()

    def take_turn(self, calls: Sequence[Done]) -> Notice | None:
        """Look at the calls of one turn. Each limit is noticed once, and once again after as many more."""
        waits = any(call.waits for call in calls)
        calls = [call for call in calls if not call.waits]
        for call in calls:
            self._times["repeated_call"] = self._times["repeated_call"] + 1 if call == self._last else 1
            self._last = call
        is_new = waits or any(call.changed_files or call not in self._known for call in calls)
        self._known.update(calls)
        self._times["no_progress"] = 0 if is_new else self._times["no_progress"] + 1
        if is_new and self._times["repeated_call"] <= 1:
            self._told.clear()
        return next(filter(None, map(self._notice, self._most)), None)

    def _notice(self, kind: Kind) -> Notice | None:
        again = kind in self._told
        if self._times[kind] < self._most[kind] * (2 if again else 1):
            return None
        notice = Notice(kind, self._times[kind], again)
        if again:
            self.forget()
        else:
            self._told.add(kind)
        return notice

    def forget(self) -> None:
        """The user lets the agent go on: count from the beginning."""
        self._times = dict.fromkeys(self._times, 0)
        self._told.clear()
        self._last = None
