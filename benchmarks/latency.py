"""From a command to its first event, and from a model's first token to the client."""

import asyncio
import json
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.figures import Figure, percentile
from benchmarks.server import ServerProcess, frames_of, research_of, serving, write_script

TASKS = 30


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with serving(directory / "events", model=write_script(directory, research_of(1))) as server:
            first_events = [await _first_event(server) for _ in range(TASKS)]
        model = TokenServer()
        async with await asyncio.start_server(model.answer, "127.0.0.1", 0) as listener:
            url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
            environment = {"OPENAI_BASE_URL": url}
            with serving(directory / "tokens", model="openai-compatible:m", environment=environment) as server:
                through = [await _first_token(server, model) for _ in range(TASKS)]
            direct = [await _first_token_directly(url, model) for _ in range(TASKS)]
    added = percentile(through, 0.5) - percentile(direct, 0.5)
    return [
        Figure("task to its first event at the client, p50", 1000 * percentile(first_events, 0.5), "ms", 100),
        Figure("first token to the client, more than read directly, p50", 1000 * added, "ms", 20),
    ]


async def _first_event(server: ServerProcess) -> float:
    async with server.websocket() as websocket:
        await websocket.recv()
        began, seconds = time.perf_counter(), 0.0
        await websocket.send(json.dumps({"type": "task", "content": "Look"}))
        async for message in websocket:
            frames = frames_of(message)
            if not seconds and any("seq" in frame for frame in frames):
                seconds = time.perf_counter() - began
            if any(frame["type"] in ("task_completed", "task_failed") for frame in frames):
                return seconds  # Only now, so that the next has the server to itself.
    raise AssertionError("the connection ended")


async def _first_token(server: ServerProcess, model: "TokenServer") -> float:
    async with server.websocket() as websocket:
        await websocket.send(json.dumps({"type": "task", "content": "Look", "research_only": True}))
        async for message in websocket:
            if any(frame["type"] == "text_delta" for frame in frames_of(message)):
                return time.perf_counter() - model.spoke_at
    raise AssertionError("the connection ended")


async def _first_token_directly(url: str, model: "TokenServer") -> float:
    heard_at = 0.0
    async with httpx.AsyncClient() as http, http.stream("POST", f"{url}/chat/completions", json={}) as response:
        async for line in response.aiter_lines():
            if "token" in line:
                heard_at = time.perf_counter()
    return heard_at - model.spoke_at


class TokenServer:
    """Speaks Chat Completions: one token, then the submission of the phase. Remembers when it spoke."""

    def __init__(self) -> None:
        self.spoke_at = 0.0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        self.spoke_at = time.perf_counter()
        self._say(writer, {"content": "token "})
        await writer.drain()
        await asyncio.sleep(0.05)
        arguments = json.dumps({"notes": "Nothing.", "needs_implementation": False})
        function = {"name": "submit_research", "arguments": arguments}
        self._say(writer, {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]})
        self._say(writer, {}, finish="tool_calls")
        writer.write(b"data: [DONE]\n\n")
        writer.close()

    @staticmethod
    def _say(writer: asyncio.StreamWriter, delta: dict[str, object], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        writer.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
