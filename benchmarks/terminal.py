"""How soon a long session stands in a terminal: ten thousand events, as a server sends them, painted by ``attach``."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from benchmarks.figures import Figure, percentile
from benchmarks.made_up_log import made_up_log

TURNS = 2_000
RUNS = 5
LAST = "The last word"
SESSION = {"session_id": "ses_1", "tasks": [{"task_id": "tsk_1"}]}


async def measure() -> list[Figure]:
    events = made_up_log(TURNS, last=LAST, with_progress=True)
    seconds = [await _paint(events) for _ in range(RUNS)]
    return [Figure(f"{len(events)} events in a terminal", percentile(seconds, 0.5), "s", 0.7)]


async def _paint(events: list[dict[str, Any]]) -> float:
    """From the subscription to the last of them on the screen."""
    loop = asyncio.get_running_loop()
    asked = loop.create_future()
    batches = [json.dumps(events[start : start + 250]) for start in range(0, len(events), 250)]

    async def replay(websocket: ServerConnection) -> None:
        subscribe = json.loads(await websocket.recv())
        asked.set_result(time.perf_counter())
        head = {"type": "subscribed", "session_id": "ses_1", "recovered": True, "epoch": "epo_1"}
        await websocket.send(json.dumps({**head, "id": subscribe.get("id"), "head_seq": len(events)}))
        for batch in batches:
            await websocket.send(batch)
        await websocket.wait_closed()

    async with serve(replay, "127.0.0.1", 0, process_request=_answer) as server:
        port = server.sockets[0].getsockname()[1]
        with tempfile.TemporaryDirectory() as home:
            shown = await asyncio.to_thread(_attach, f"http://127.0.0.1:{port}", Path(home))
        return float(shown - await asked)


def _answer(connection: ServerConnection, request: Request) -> Response | None:
    if request.path == "/v1/ws":
        return None
    response = connection.respond(HTTPStatus.OK, json.dumps(SESSION))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response


def _attach(url: str, home: Path) -> float:
    """When the last text stood on the screen."""
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "VGPROJECT_HOME": str(home), "LANG": "C.UTF-8"}
    words = [sys.executable, "-m", "vgproject.main", "attach", "ses_1", "--server", url]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with subprocess.Popen(words, env=environment, stdin=slave, stdout=slave, stderr=slave):
        os.close(slave)
        shown = _wait_for(LAST.encode(), master)
        os.write(master, b"\x04")
        _wait_for(None, master)
    os.close(master)
    return shown


def _wait_for(text: bytes | None, terminal: int) -> float:
    """When it stood on the screen; ``None`` is the end."""
    seen = b""
    while text is None or text not in seen:
        try:
            seen = seen[-1000:] + os.read(terminal, 1 << 20)
        except OSError as error:  # Linux says EIO where the other end is closed.
            if text is not None:
                raise AssertionError(f"It ended early: {seen.decode(errors='replace')}") from error
            break
    return time.perf_counter()
