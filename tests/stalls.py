"""An event loop that is really blocked, for as long as it takes somebody to notice."""

import logging
import threading

BLOCKED = "has been blocked"
OVER = "was blocked"


class Stalls(logging.Handler):
    """Hears what the watchdog says. `block` blocks the thread that calls it until the watchdog has noticed."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._noticed = threading.Event()
        self.is_over = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        if BLOCKED in self.said[-1]:
            self._noticed.set()
        elif OVER in self.said[-1]:
            self.is_over.set()

    def block(self) -> None:
        assert self._noticed.wait(10)

    def __enter__(self) -> "Stalls":
        logging.getLogger("vgproject.watchdog").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("vgproject.watchdog").removeHandler(self)
