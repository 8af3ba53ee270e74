"""The thread that takes tasks from the engine's queue: at once where this process has put one in, else now and then.

DBOS's own looks only now and then: each task would wait for that, and an idle server would work. What looks, how and at
how many is still DBOS's; this decides when. As `engine` it knows DBOS.
"""

import logging
import threading

from dbos import DBOS, Queue
from dbos._queue import queue_worker_thread

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0


class Bell(threading.Event):
    """What DBOS waits for between two looks: set it is the end, rung it ends one wait."""

    def __init__(self) -> None:
        super().__init__()
        self._rung = threading.Event()

    def ring(self) -> None:
        self._rung.set()

    def set(self) -> None:
        super().set()
        self._rung.set()

    def wait(self, timeout: float | None = None) -> bool:
        self._rung.wait(timeout)
        if not self.is_set():
            self._rung.clear()
        return self.is_set()


class QueuePoller:
    def __init__(self) -> None:
        self._bell = Bell()
        self._thread: threading.Thread | None = None

    def start(self, dbos: DBOS, queue: Queue) -> None:
        """Look at once, for what an earlier process has left."""
        self._thread = threading.Thread(target=self._poll, args=(dbos, queue), name=f"queue {queue.name}", daemon=True)
        self._thread.start()
        self.look()

    def look(self) -> None:
        """There may be something: may be called in any thread."""
        self._bell.ring()

    def is_polling(self) -> bool:
        """False once nothing looks at the queue any more."""
        return self._thread is None or self._thread.is_alive()

    def stop(self) -> None:
        self._bell.set()
        if self._thread:
            self._thread.join()

    def _poll(self, dbos: DBOS, queue: Queue) -> None:
        while not self._bell.is_set():
            try:
                queue_worker_thread(self._bell, dbos, queue)
            except Exception:
                logger.exception("The queue could not be looked at; it is tried again")
                self._bell.wait(AGAIN_SECONDS)
