"""Who comes without a token that counts, summed: each network is told of once, and then once a minute."""

import asyncio
from collections import Counter
from collections.abc import Callable

from vgproject.access.back_off import network_of

WINDOW_SECONDS = 60.0
MOST = 1_000
"""Networks that are told apart in one minute; the others are summed together."""

Tell = Callable[[str, str, int], None]
"""Takes the network, the code of the error, and how often it was."""


class Strangers:
    def __init__(self, tell: Tell, *, window_seconds: float = WINDOW_SECONDS) -> None:
        self._tell = tell
        self._window_seconds = window_seconds
        self._counts: Counter[tuple[str, str]] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def count(self, address: str, code: str) -> None:
        """Tells of the first at once."""
        key = (network_of(address), code)
        if key not in self._counts and len(self._counts) >= MOST:
            key = ("others", code)
        if key not in self._counts:
            self._tell(*key, 1)
            self._counts[key] = 0
        else:
            self._counts[key] += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._window_seconds, self.settle)

    def settle(self) -> None:
        """Tell of what is counted; the next one begins a new minute."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        counts, self._counts = self._counts, Counter()
        for key, count in counts.items():
            if count:
                self._tell(*key, count)
