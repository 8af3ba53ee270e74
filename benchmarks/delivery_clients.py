"""The clients of every server that `delivery` measures, in a process of their own: they count, and read the stamps."""

import asyncio
import time
from typing import Any

import orjson
import uvloop

from benchmarks.figures import percentile
from benchmarks.orders import obey_lines
from benchmarks.raw_connection import RawConnection, open_connection

AT_ONCE = 50
MARK = b'"@'
JOINED = b'"subscribed"'


class Client:
    def __init__(self, ages: list[float]) -> None:
        self.connection: RawConnection
        self.heard = 0
        self.joined = asyncio.Event()
        self._ages = ages

    def on_text(self, text: bytes) -> None:
        """Of events that came together the first is the oldest."""
        if at := text.find(MARK) + 1:
            self.heard += text.count(MARK)
            self._ages.append((time.monotonic_ns() - int(text[at + 1 : text.index(b"@", at + 1)])) / 1e9)
        elif JOINED in text:
            self.joined.set()


class Crowd:
    """Those of one server."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.clients: list[Client] = []
        self.expected = 0

    async def connect(self, url: str, token: str | None, session_id: str | None) -> None:
        client = Client(self.ages)
        client.connection = await open_connection(url, token, client.on_text)
        if session_id:
            client.connection.send(orjson.dumps({"type": "subscribe", "session_id": session_id}))
            await client.joined.wait()
        self.clients.append(client)


class Clients:
    def __init__(self) -> None:
        self._crowds: dict[str, Crowd] = {}

    async def connect(
        self, name: str, url: str, count: int, token: str | None = None, session_id: str | None = None
    ) -> dict[str, Any]:
        crowd = self._crowds[name] = Crowd()
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(crowd.connect(url, token, session_id) for _ in range(AT_ONCE)))
        return {}

    async def hear(self, name: str, events: int) -> dict[str, Any]:
        """Once every client has so many more."""
        crowd = self._crowds[name]
        crowd.expected += events
        while any(client.heard < crowd.expected for client in crowd.clients):
            await asyncio.sleep(0.01)
        ages = crowd.ages.copy()
        crowd.ages.clear()
        return {"p50": percentile(ages, 0.5), "p99": percentile(ages, 0.99)}

    async def leave(self, name: str) -> dict[str, Any]:
        for client in self._crowds.pop(name).clients:
            client.connection.transport.abort()
        return {}


if __name__ == "__main__":
    uvloop.run(obey_lines(Clients()))
