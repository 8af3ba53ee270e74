"""A server process to measure, and what the system says of it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

TOKEN = "a-token-for-benchmarks"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SETTINGS = {
    "VGPROJECT_TOKEN": TOKEN,
    "VGPROJECT_PHASES__RESEARCH__TOOLS": "update_plan_step",
    "VGPROJECT_MEMORY__EMBEDDINGS": "none",
}
"""Research has no tool that does nothing, but for this one of implementation."""
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class ServerProcess:
    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.url = url
        self._pid = process.pid

    def cpu_seconds(self) -> float:
        """User and system time of the process and of the children it has waited for."""
        words = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(word) for word in words[11:15]) / CLOCK_TICKS

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int) -> None:
        os.kill(self._pid, number)

    def websocket(self) -> connect:
        return connect(self.url.replace("http", "ws", 1) + "/v1/ws", additional_headers=HEADERS, max_size=None)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=HEADERS, timeout=60)


@contextmanager
def serving(directory: Path, *, model: str, environment: dict[str, str] | None = None) -> Iterator[ServerProcess]:
    """A ready server whose data and project are in ``directory``."""
    project = make_project(directory)
    words = [sys.executable, "-m", "vgproject.main", "serve", "--port", "0", "--project", str(project)]
    process = subprocess.Popen(
        [*words, "--approvals", "never", "--model", model],
        env={**os.environ, **SETTINGS, "VGPROJECT_HOME": str(directory / "home"), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        url = process.stdout.readline().partition("ready at ")[2].partition("/sign-in")[0]
        server = ServerProcess(process, url)
        try:
            wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def make_project(directory: Path) -> Path:
    project = directory / "project"
    if not project.exists():
        project.mkdir(parents=True)
        (project / "README.md").write_text("A project.\n")
        for words in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "1"],
        ):
            subprocess.run(["git", *words], cwd=project, check=True)
    return project


@contextmanager
def watched_livez(server: ServerProcess) -> Iterator[list[float]]:
    """The seconds that each ``/livez`` took meanwhile, asked by a process of its own, every 20 ms."""
    watch = (
        "import sys, time, httpx\n"
        "with httpx.Client() as http:\n"
        "    while True:\n"
        "        began = time.perf_counter()\n"
        "        http.get(sys.argv[1]).raise_for_status()\n"
        "        print(time.perf_counter() - began, flush=True)\n"
        "        time.sleep(0.02)\n"
    )
    waits: list[float] = []
    process = subprocess.Popen(
        [sys.executable, "-c", watch, f"{server.url}/livez"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        waits.append(float(process.stdout.readline()))
        try:
            yield waits
        finally:
            process.terminate()
            waits += [float(line) for line in process.stdout if line.endswith("\n")]
            process.wait()


def wait_until_ready(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url) as http:
        while http.get("/readyz").status_code != 200:
            time.sleep(0.01)


def write_script(directory: Path, phases: dict[str, list[dict[str, Any]]]) -> str:
    """The name of a scripted model that takes no time."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "script.json"
    path.write_text(json.dumps({"phases": phases}))
    return f"scripted:{path}"


def research_of(turns: int) -> dict[str, list[dict[str, Any]]]:
    """A research of ``turns`` turns, each with 20 tokens and one tool call that does nothing, the last one submitting.

    No two calls are the same, else the agent would be told that it repeats itself.
    """
    submit = {"notes": "Nothing to do.", "needs_implementation": False}
    steps = [_turn("update_plan_step", {"step_id": str(number), "status": "done"}) for number in range(turns - 1)]
    return {"research": [*steps, _turn("submit_research", submit)]}


def _turn(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"text": "word " * 20, "chunk_size": 5, "tool_calls": [{"tool": tool, "arguments": arguments}]}


def frames_of(message: str | bytes) -> list[dict[str, Any]]:
    received = json.loads(message)
    return received if isinstance(received, list) else [received]
