"""A real HTTP server that answers each request with the next of its answers, byte for byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Held:
    """An answer after which nothing comes, until the client hangs up."""

    content: bytes


Answer = bytes | Held | Callable[[str], bytes]
"""A function gets the head of the request."""


@dataclass
class ProviderServer:
    """``answers`` are given in order; ``requests`` are the heads that came, ``bodies`` what came with them."""

    answers: list[Answer]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    connections: set["asyncio.Task[None]"] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
        self.bodies.append(json.loads(await reader.readexactly(int(length.partition(":")[2]))))
        answer = self.answers.pop(0)
        content = answer.content if isinstance(answer, Held) else answer
        writer.write(content if isinstance(content, bytes) else content(head))
        await writer.drain()
        if isinstance(answer, Held):
            await reader.read()

    async def close(self) -> None:
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)


@asynccontextmanager
async def open_provider_server(*answers: Answer) -> AsyncIterator[ProviderServer]:
    provider = ProviderServer(list(answers))
    async with await asyncio.start_server(provider.accept, "127.0.0.1", 0) as server:
        provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield provider
        finally:
            await provider.close()


def failure(status: int, *, message: str = "no", **headers: str) -> bytes:
    body = json.dumps({"error": {"message": message}}).encode()
    lines = [f"HTTP/1.1 {status} Failed", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def json_answer(content: Any) -> bytes:
    body = json.dumps(content).encode()
    return head("application/json", len(body)) + body


def echo(status: int) -> Callable[[str], bytes]:
    """A failure that says back the head of the request, with the key that is in it."""
    return lambda head: failure(status, message=head)


def head(content_type: str, length: int) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", f"Content-Length: {length}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(content_type: str, *chunks: bytes, cut: bool = False) -> bytes:
    """An answer that does not say beforehand how long it is; with ``cut`` its end is missing."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return head + body + (b"" if cut else b"0\r\n\r\n")


def stream(*events: dict[str, Any], cut: bool = False) -> bytes:
    """Server-sent events; with ``cut`` the connection ends before the body does."""
    body = b"".join(_event(event) for event in events)
    if not cut and "choices" in events[0]:
        body += b"data: [DONE]\n\n"
    return head("text/event-stream", len(body) + (100 if cut else 0)) + body


def _event(event: dict[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def chat(delta: dict[str, Any], *, finish: str | None = None, usage: dict[str, int] | None = None) -> dict[str, Any]:
    """One chunk of OpenAI's Chat Completions; Groq has the usage in a field of its own."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "some-model", "choices": [choice]}
    return chunk | ({"usage": usage, "x_groq": {"id": "r", "usage": usage}} if usage else {})
