"""How the web page bears long sessions: in a real browser, with frames as a server sends them."""

import asyncio
import gzip
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from playwright.async_api import Page, async_playwright
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from benchmarks.figures import Figure, percentile
from benchmarks.made_up_log import event, made_up_log, turn_events

DIST = files("vgproject.web") / "dist"
KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
WELCOME = {"type": "welcome", "server_version": "1", "protocol": "vgproject.v1", "user": "owner", "role": "owner"}
EVENTS_PER_TURN = 4
EVENTS_PER_FRAME = 250
MISSED = 1_000
RUNS = 3
LIVE_SECONDS = 8
DELTAS_PER_SECOND = 100
WATCH = """() => {
  window.seen = { longTasks: 0, frames: [], last: performance.now() };
  new PerformanceObserver((list) => { window.seen.longTasks += list.getEntries().length; })
    .observe({ type: "longtask" });
  const tick = (now) => { window.seen.frames.push(now - window.seen.last); window.seen.last = now;
    requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


async def measure() -> list[Figure]:
    async with open_browser_page() as (page, server):
        await page.goto(server.url)
        await page.get_by_label("Your task").wait_for()
        first_load = sum(server.sent.values()) / 1024
        whole = [await _opened(page, server, made_up_log(2_500)) for _ in range(RUNS)]
        long_tasks, frame = await _live(page, server)
        heap = await _heap_bytes(page) / 1e6
        missed = [await _caught_up(page, server) for _ in range(RUNS)]
        last = [await _opened(page, server, made_up_log(7_500), last=True) for _ in range(RUNS)]
    return [
        Figure("page, first load, gzip", first_load, "KiB", 150),
        Figure("page, 10,000 events painted", percentile(whole, 0.5), "s", 1.5),
        Figure("page, 30,000 events opened at the last 500", percentile(last, 0.5), "s", 0.7),
        Figure(f"page, {DELTAS_PER_SECOND} deltas/s, long tasks", long_tasks, "tasks", 0),
        Figure(f"page, {DELTAS_PER_SECOND} deltas/s, frame p95", frame, "ms", 17),
        Figure("page, 10,000 events, heap", heap, "MB", 30),
        Figure(f"page, {MISSED} missed events caught up", percentile(missed, 0.5), "s", 0.5),
    ]


@dataclass
class PlayedServer:
    """Answers as a server whose only session has ``log``; ``last`` is whether it is opened at its end."""

    log: list[dict[str, Any]] = field(default_factory=list)
    last: bool = False
    url: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    """How many bytes each file of the page takes."""
    connection: ServerConnection | None = None
    asked_at: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    texts: list[str] = field(default_factory=list)
    """The log as the server has it ready."""

    def hold(self, log: list[dict[str, Any]]) -> None:
        self.log, self.texts = log, [json.dumps(one) for one in log]

    async def talk(self, connection: ServerConnection) -> None:
        self.connection = connection
        await connection.send(json.dumps(WELCOME))
        with suppress(ConnectionClosed):
            async for message in connection:
                command = json.loads(message)
                if command["type"] == "subscribe":
                    self.asked_at.put_nowait(time.perf_counter())
                    for frame in self._replay(command.get("after") or 0):
                        await connection.send(frame)

    def _replay(self, after: int) -> list[str]:
        about = {"session_id": "ses_1", "epoch": "epo_1"}
        first = max(after, len(self.log) - 500 if self.last else 0)
        head = {"type": "subscribed", **about, "recovered": True, "head_seq": len(self.log), "from_seq": first + 1}
        standing = [{"type": "snapshot", "session": about, "standing": self.log[:3]}] if first > after else []
        starts = range(first, len(self.log), EVENTS_PER_FRAME)
        replayed = [f"[{','.join(self.texts[start : start + EVENTS_PER_FRAME])}]" for start in starts]
        return [*map(json.dumps, [head, *standing]), *replayed]

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/v1/ws":
            return None
        kind, body = "application/json", b"[]"
        if request.path.startswith("/assets/"):
            kind, body = KINDS[request.path.rpartition(".")[2]], (DIST / request.path[1:]).read_bytes()
        elif not request.path.startswith("/v1/"):
            kind, body = "text/html", (DIST / "index.html").read_bytes()
        if kind != "application/json":
            self.sent[request.path] = len(gzip.compress(body))
        headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
        return Response(HTTPStatus.OK, "OK", headers, body)


@asynccontextmanager
async def open_browser_page() -> AsyncIterator[tuple[Page, PlayedServer]]:
    played = PlayedServer()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    async with (
        # The real server does not compress either.
        serve(played.talk, "127.0.0.1", 0, process_request=played.answer, compression=None) as server,
        async_playwright() as playwright,
    ):
        played.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        # Chromium's own sandbox does not work for root.
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield await browser.new_page(viewport={"width": 1440, "height": 900}), played
        finally:
            await browser.close()


async def _opened(page: Page, server: PlayedServer, log: list[dict[str, Any]], *, last: bool = False) -> float:
    """From the subscription to the last event on the screen."""
    server.hold(log)
    server.last = last
    await page.goto(f"{server.url}/sessions/ses_1")
    return await _until_shown(page, server)


async def _until_shown(page: Page, server: PlayedServer) -> float:
    asked = await server.asked_at.get()
    await page.get_by_text(server.log[-1]["data"]["text"]).wait_for()
    return time.perf_counter() - asked


async def _live(page: Page, server: PlayedServer) -> tuple[float, float]:
    """Long tasks, and what 95 of 100 frames take, in milliseconds, while a model speaks."""
    assert server.connection is not None
    await page.evaluate(WATCH)
    delta = {"type": "text_delta", "session_id": "ses_1", "message_id": "msg_live"}
    began, offset = time.perf_counter(), 0
    for number in range(LIVE_SECONDS * DELTAS_PER_SECOND):
        text = f"word {number} " + ("\n\n" if number % 40 == 39 else "")
        await server.connection.send(json.dumps({**delta, "offset": offset, "text": text}))
        offset += len(text)
        await asyncio.sleep(began + (number + 1) / DELTAS_PER_SECOND - time.perf_counter())
    seen = await page.evaluate("window.seen")
    return seen["longTasks"], percentile(seen["frames"], 0.95)


async def _heap_bytes(page: Page) -> float:
    protocol = await page.context.new_cdp_session(page)
    await protocol.send("HeapProfiler.collectGarbage")
    return float((await protocol.send("Runtime.getHeapUsage"))["usedSize"])


async def _caught_up(page: Page, server: PlayedServer) -> float:
    """From the subscription after the connection was lost to the last missed event on the screen."""
    assert server.connection is not None
    for turn in range(MISSED // EVENTS_PER_TURN):
        server.log += turn_events(len(server.log) + 1, turn)
    server.log[-1] = event("agent_message", len(server.log), message_id="m", text=f"The end of {len(server.log)}.")
    server.hold(server.log)
    await server.connection.close(4000)
    return await _until_shown(page, server)
