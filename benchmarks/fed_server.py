"""``vgproject serve``, and each line on its stdin says what shall happen in the sessions, as tasks make it happen.

``python -m benchmarks.fed_server``, with the options in the environment; the lines are orders to `Feed`.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.orders import Pace, obey_lines, stamped_text
from vgproject.cli.tasks import serve
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.event_log import NewEvent
from vgproject.schema.base import Actor
from vgproject.schema.events import AgentMessage

ACTOR = Actor(kind="agent", id="research")


class Feed:
    def __init__(self, server: EnhancedRAServer) -> None:
        self._server = server

    async def append(
        self, session_ids: list[str], count: int, per_second: float = 0, size: int = 40, together: int = 1
    ) -> dict[str, Any]:
        """``count`` events to each session, ``together`` of them at a time, each time when the last are stored."""
        log = self._server.app.state.services.event_log

        async def append_one(session_id: str) -> None:
            await log.append(session_id, [NewEvent(AgentMessage(message_id="m", text=stamped_text(size)), ACTOR)])

        async def append(session_id: str) -> None:
            pace = Pace(per_second)
            for _ in range(0, count, together):
                await asyncio.gather(*(append_one(session_id) for _ in range(together)))
                await pace.wait(together)

        await asyncio.gather(*map(append, session_ids))
        return {}

    async def deltas(
        self, session_ids: list[str], count: int, per_second: float, message_id: str = "m"
    ) -> dict[str, Any]:
        """``count`` deltas of one message to each session; the seconds that it took."""
        broker = self._server.app.state.services.broker
        began = time.monotonic()

        async def say(session_id: str) -> None:
            pace, said = Pace(per_second), {"session_id": session_id, "type": "text_delta", "message_id": message_id}
            for number in range(count):
                broker.send_delta(session_id, {**said, "offset": 8 * number, "text": f"{number:8}"})
                await pace.wait(1)

        await asyncio.gather(*map(say, session_ids))
        return {"seconds": time.monotonic() - began}

    async def cpu(self) -> dict[str, Any]:
        return {"cpu_seconds": time.process_time()}


class FedServer(EnhancedRAServer):
    async def serve(self, ready: Callable[[str], None], *, signals: bool = True) -> None:
        feeding = asyncio.create_task(self._feed(), name="feed")
        try:
            await super().serve(ready, signals=signals)
        finally:
            feeding.cancel()

    async def _feed(self) -> None:
        await obey_lines(Feed(self))
        self.stop()


if __name__ == "__main__":
    sys.exit(serve({}, create_server=FedServer))
