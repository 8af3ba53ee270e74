"""MCP servers, by configuration: their tools, and the connections to them, which are opened again when they end.

The protocol's library takes long to import, so it is loaded (`vgproject.tools.mcp_connection`) when the first server is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from vgproject.errors import VgprojectError
from vgproject.schema.base import JsonObject
from vgproject.tools.base import Tool, ToolFailure, ToolResult
from vgproject.utils.text import first_line

logger = logging.getLogger(__name__)

PREFIX = "mcp__"
RETRY_SECONDS = 30.0
"""A server that did not answer is not waited for again so soon, unless one of its tools is called."""
END_SECONDS = 8.0

ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=30)]
"""Without two underscores in a row, so that a tool's name has one meaning."""


class McpSettings(BaseModel):
    """``[mcp.NAME]`` in configuration: one server, either a program or an address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: list[str] | None = Field(default=None, min_length=1)
    """A program that speaks the protocol on its standard input and output. It runs outside the sandbox."""
    url: str | None = Field(default=None, pattern=r"^https?://")
    """Of a server that speaks it over HTTP."""
    env: dict[str, str] = Field(default_factory=dict)
    """The program's environment, beside PATH and HOME."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request to ``url``."""
    tools: list[str] | None = None
    """Those that may be used, as the server names them; by default all."""
    effects: dict[str, Literal["none", "unknown"]] = Field(default_factory=dict)
    """By the server's name of a tool, where what it says of itself is missing or not to be believed."""
    timeout_seconds: float = Field(default=60, gt=0)
    """For one call."""
    start_seconds: float = Field(default=20, gt=0)
    """For connecting and telling its tools."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("it must have either a command or a url")
        return self


class LostConnectionError(VgprojectError):
    code = "mcp_unavailable"


class Connection(Protocol):
    """Open to one server. ``ended`` is set when it is of no use any more."""

    ended: asyncio.Event

    async def list_tools(self, call: "CallTool") -> list[Tool]:
        """Raises `LostConnectionError`."""

    async def call(self, tool: str, arguments: JsonObject, on_progress: Callable[[str], None]) -> ToolResult:
        """Raises `ToolFailure` for an error that is the server's answer, and `LostConnectionError`."""


CallTool = Callable[[str, JsonObject, Callable[[str], None]], Awaitable[ToolResult]]
OpenConnection = Callable[[], AbstractAsyncContextManager[Connection]]


class Life:
    """One connection from its opening to its end, in a task of its own: who opens it has to close it."""

    def __init__(self, name: str, settings: McpSettings, opening: OpenConnection, call: CallTool) -> None:
        self._name = name
        self._settings = settings
        self._opening = opening
        self._call = call
        self._opened: asyncio.Future[tuple[Connection, list[Tool]]] = asyncio.get_running_loop().create_future()
        self._opened.add_done_callback(lambda future: future.exception())  # It may have nobody who waits.
        self.task = asyncio.create_task(self._live(), name=f"mcp {name}")

    @property
    def has_ended(self) -> bool:
        if self.task.done():
            return True
        return self.is_open and self._opened.result()[0].ended.is_set()

    @property
    def is_open(self) -> bool:
        return self._opened.done() and not self._opened.exception()

    async def opened(self) -> tuple[Connection, list[Tool]]:
        """Raises `LostConnectionError` where it cannot be opened."""
        return await asyncio.shield(self._opened)

    def end(self) -> None:
        if self.is_open:
            self._opened.result()[0].ended.set()
        else:
            self.task.cancel()

    async def _live(self) -> None:
        try:
            async with asyncio.timeout(self._settings.start_seconds) as limit, self._opening() as connection:
                tools = await connection.list_tools(self._call)
                limit.reschedule(None)
                self._opened.set_result((connection, tools))
                await connection.ended.wait()
        except Exception as error:  # noqa: BLE001  (the edge of a server's task: its failure stops nobody)
            self._fail(error)
        finally:
            if not self._opened.done():
                self._opened.set_exception(LostConnectionError(f"The MCP server {self._name!r} is being ended."))

    def _fail(self, error: Exception) -> None:
        why = f"no answer within {self._settings.start_seconds:g} seconds" if isinstance(error, TimeoutError) else None
        logger.warning("The MCP server %s has failed: %s", self._name, why or _reason(error))
        if not self._opened.done():
            sentence = f"The MCP server {self._name!r} cannot be used: {why or _reason(error)}."
            self._opened.set_exception(LostConnectionError(sentence))


class McpServer:
    """``tools`` are those it told of last, also while it is away: a call connects to it again."""

    def __init__(self, name: str, settings: McpSettings, opening: OpenConnection) -> None:
        self.name = name
        self.tools: dict[str, Tool] = {}
        self._settings = settings
        self._opening = opening
        self._life: Life | None = None
        self._failed_at: float | None = None

    async def connect(self) -> Connection:
        """Raises `LostConnectionError` where the server does not answer."""
        life = self._life
        if life is None or life.has_ended:
            if life:
                await asyncio.wait({life.task})
            if self._life is life:
                self._life = Life(self.name, self._settings, self._opening, self.call)
        assert self._life is not None
        try:
            connection, tools = await self._life.opened()
        except LostConnectionError:
            self._failed_at = time.monotonic()
            raise
        self.tools = {tool.name: tool for tool in tools}
        return connection

    async def expect(self) -> None:
        """Connect, if the server is likely to answer."""
        if self._failed_at is not None and time.monotonic() - self._failed_at < RETRY_SECONDS:
            return
        try:
            await self.connect()
        except LostConnectionError:
            return

    async def call(self, tool: str, arguments: JsonObject, on_progress: Callable[[str], None]) -> ToolResult:
        """Raises `ToolFailure`. A call that was certainly not run is made again, once."""
        limit = self._settings.timeout_seconds
        try:
            try:
                return await self._call(tool, arguments, on_progress)
            except LostConnectionError as error:
                if not error.retryable:
                    raise
                return await self._call(tool, arguments, on_progress)
        except TimeoutError as error:
            raise ToolFailure(
                f"The MCP server {self.name!r} did not answer within {limit:g} seconds.", code="mcp_timeout"
            ) from error
        except LostConnectionError as error:
            raise ToolFailure(error.message, code=error.code) from error

    async def _call(self, tool: str, arguments: JsonObject, on_progress: Callable[[str], None]) -> ToolResult:
        connection = await self.connect()
        async with asyncio.timeout(self._settings.timeout_seconds):
            return await connection.call(tool, arguments, on_progress)

    async def close(self) -> None:
        if self._life is None:
            return
        self._life.end()
        _, late = await asyncio.wait({self._life.task}, timeout=END_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.wait({self._life.task})


@asynccontextmanager
async def run_mcp_servers(servers: Sequence[McpServer]) -> AsyncIterator[None]:
    """Begin to connect to them, and wait for none. No program of theirs is left afterwards."""
    starting = [asyncio.create_task(server.expect(), name=f"mcp {server.name} start") for server in servers]
    try:
        yield
    finally:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await asyncio.gather(*(server.close() for server in servers))


def create_mcp_server(name: str, settings: McpSettings, *, environ: Mapping[str, str], directory: Path) -> McpServer:
    """Of ``environ`` a program is given PATH and HOME; it works in ``directory``, which is not the project: a program
    there may be a stranger's."""

    def opening() -> AbstractAsyncContextManager[Connection]:
        opened: AbstractAsyncContextManager[Connection] = resolve_name(
            "vgproject.tools.mcp_connection:open_connection"
        )(name, settings, environ=environ, directory=directory)
        return opened

    return McpServer(name, settings, opening)


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = error.message if isinstance(error, VgprojectError) else str(error) or type(error).__name__
    return first_line(text, 300).rstrip(".")
