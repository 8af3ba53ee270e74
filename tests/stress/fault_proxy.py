"""A TCP proxy that hurts what goes through it, as a schedule says: it splits, delays and cuts, in both directions."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Way:
    """One direction of one connection. All of it is for bytes: frames may break anywhere."""

    piece_bytes: int = BUFFER_BYTES
    """Written at once, at most."""
    delay_ms: int = 0
    """Before each piece of the first 50; more would only take long."""
    cut_after: int | None = None
    """So many bytes arrive, and then the connection is gone on both sides."""


@dataclass(frozen=True)
class Fault:
    up: Way = Way()
    down: Way = Way()


class FaultProxy:
    """The first connection suffers the first of ``faults``, and so on; those after the last suffer nothing."""

    def __init__(self, host: str, port: int, faults: Iterable[Fault]) -> None:
        self._host, self._port = host, port
        self._faults = iter(faults)
        self.cuts = 0

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        fault = next(self._faults, Fault())
        server, to_server = await asyncio.open_connection(self._host, self._port)
        try:
            ways = [(client, to_server, fault.up), (server, to_client, fault.down)]
            pumps = [asyncio.create_task(self._pump(*way), name="pump") for way in ways]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in (to_client, to_server):
                writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, way: Way) -> None:
        left, pieces = way.cut_after, 0
        while left is None or left > 0:
            wanted = way.piece_bytes if left is None else min(way.piece_bytes, left)
            data = await source.read(wanted)
            if not data:
                return
            if way.delay_ms and pieces < 50:
                await asyncio.sleep(way.delay_ms / 1000)
            target.write(data)
            await target.drain()
            pieces += 1
            left = None if left is None else left - len(data)
        self.cuts += 1


@asynccontextmanager
async def proxied(url: str, faults: Iterable[Fault]) -> AsyncIterator[tuple[str, FaultProxy]]:
    """The URL of a proxy before the server at ``url``, and the proxy."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    proxy = FaultProxy(host, int(port), faults)
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(proxy.serve(reader, writer), name="proxied"))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", proxy
    finally:
        listener.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
