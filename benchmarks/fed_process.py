"""A process that does what it is told line by line, and `fed_server` as one."""

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.server import SETTINGS, ServerProcess, make_project

ROOT = Path(__file__).parent.parent
MANY = {
    "VGPROJECT_LIMITS__CONNECTIONS_PER_USER": "100000",
    "VGPROJECT_LIMITS__COMMANDS_PER_SECOND": "100000",
    "VGPROJECT_LIMITS__COMMAND_BURST": "100000",
    "VGPROJECT_LIMITS__HANDSHAKES_PER_SECOND": "100000",
    "VGPROJECT_LIMITS__HANDSHAKE_BURST": "100000",
}
"""One user stands for many."""
STOP_SECONDS = 30


class ToldProcess:
    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        raise_file_limit()
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def read_line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"The process ended with {self.process.wait()}.")
        return line

    def tell(self, do: str, **arguments: Any) -> None:
        """Its answer is to be read, or the process to be ended."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Raises `EOFError` where the process ends instead of answering."""
        self.tell(do, **arguments)
        answer: dict[str, Any] = json.loads(await asyncio.to_thread(self.read_line))
        return answer

    def close(self) -> None:
        """Its stdin's end is its own."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class FedProcess(ServerProcess):
    """The server as a client sees it, and ``told``: what happens in it."""

    def __init__(self, told: ToldProcess) -> None:
        super().__init__(told.process, told.read_line().partition("ready at ")[2].partition("/sign-in")[0])
        self.told = told

    async def create_session(self) -> str:
        async with self.http() as http:
            response = await http.post("/v1/sessions", json={})
            return str(response.raise_for_status().json()["session_id"])


@contextmanager
def feeding(directory: Path, **environment: str) -> Iterator[FedProcess]:
    """A ready server; with the same ``directory`` again it goes on with what it had."""
    settings = {
        "VGPROJECT_HOME": str(directory / "home"),
        "VGPROJECT_PROJECT": str(make_project(directory)),
        "VGPROJECT_PORT": "0",
        "VGPROJECT_APPROVALS": "never",
    }
    told = ToldProcess(
        ["benchmarks.fed_server"], {**SETTINGS, **MANY, **settings, **environment}, directory / "server.log"
    )
    try:
        yield FedProcess(told)
    finally:
        told.close()


def raise_file_limit() -> None:
    """A connection is a file; processes started from now on may have as many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
