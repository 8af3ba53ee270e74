"""Connections to MCP servers, over a program's input and output or over HTTP."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import Client, MCPError
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from vgproject import __version__
from vgproject.errors import TooLargeError
from vgproject.schema.base import JsonObject
from vgproject.tools.base import Tool, ToolFailure, ToolResult
from vgproject.tools.mcp import CallTool, LostConnectionError, McpSettings
from vgproject.tools.mcp_tool import make_tools
from vgproject.utils.text import shorten
from vgproject.workspace.programs import Program, open_program

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
MAX_PAGES = 20
MAX_PROGRESS_UPDATES = 1_000
"""Of one call; more are not shown."""
MAX_ERROR_CHARACTERS = 4_000
SESSION_GONE = "Session terminated"
"""What the library says where the server does not know the connection any more: the call was not run."""


class McpConnection:
    def __init__(self, name: str, settings: McpSettings) -> None:
        self.ended = asyncio.Event()
        self.client: Client | None = None
        self._name = name
        self._settings = settings
        self._why = "it ended"

    def end(self, why: str) -> None:
        self._why = why
        self.ended.set()

    async def list_tools(self, call: CallTool) -> list[Tool]:
        """Those that can be offered to a model."""
        assert self.client is not None
        listed: list[types.Tool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self.client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return make_tools(self._name, self._settings, listed, call)

    async def call(self, tool: str, arguments: JsonObject, on_progress: Callable[[str], None]) -> ToolResult:
        """Raises `ToolFailure` for what the server answers, and `LostConnectionError` where it does not."""
        assert self.client is not None
        try:
            result = await self.client.call_tool(tool, arguments, progress_callback=Progress(on_progress))
        except MCPError as error:
            raise self._failure(error) from error
        except (ValidationError, RuntimeError) as error:
            raise ToolFailure(
                f"The MCP server {self._name!r} did not answer as its protocol says: {shorten(str(error), 500)}",
                code="mcp_error",
            ) from error
        text = as_text(result)
        if result.is_error:
            raise ToolFailure(shorten(text, MAX_ERROR_CHARACTERS), code="mcp_tool_failed")
        return ToolResult(text, {"mcp_server": self._name, "mcp_tool": tool})

    def _failure(self, error: MCPError) -> ToolFailure | LostConnectionError:
        gone = error.message == SESSION_GONE
        if not gone and error.code != types.CONNECTION_CLOSED:
            said = shorten(error.message, MAX_ERROR_CHARACTERS)
            return ToolFailure(f"The MCP server {self._name!r} refused: {said}", code="mcp_error")
        self.ended.set()
        return LostConnectionError(
            f"The connection to the MCP server {self._name!r} was lost ({self._why}); whether the call was done is not known.",
            retryable=gone,
        )


class Progress:
    """Shows what the server says on its way, as output of the tool."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._shown = 0

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self._shown += 1
        if self._shown <= MAX_PROGRESS_UPDATES:
            done = f"{progress:g}" if total is None else f"{progress:g}/{total:g}"
            self._show(f"{done} {shorten(message or '', 500)}".rstrip() + "\n")


@asynccontextmanager
async def open_connection(
    name: str, settings: McpSettings, *, environ: Mapping[str, str], directory: Path
) -> AsyncIterator[McpConnection]:
    """Raises what the library raises, and `OSError`, where there is no such server."""
    connection = McpConnection(name, settings)
    if settings.url is not None:
        transport = _open_http(settings.url, settings)
    else:
        transport = _open_program(connection, name, settings, environ, directory)
    client = Client(
        transport, client_info=types.Implementation(name="vgproject", version=__version__), cache=None, mode="auto"
    )
    async with client as connection.client:
        yield connection


@asynccontextmanager
async def _open_http(url: str, settings: McpSettings) -> AsyncIterator[TransportStreams]:
    http = httpx2.AsyncClient(
        headers={"Accept-Encoding": "identity", **settings.headers},
        timeout=httpx2.Timeout(min(30, settings.start_seconds), read=settings.timeout_seconds + 1),
        transport=BoundedTransport(),
        trust_env=False,
    )
    async with http, streamable_http_client(url, http_client=http, max_sse_event_size=MAX_MESSAGE_BYTES) as streams:
        yield streams


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """The library bounds the events of a stream, but not a plain answer."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = BoundedStream(response.stream)
        return response


class BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > MAX_MESSAGE_BYTES:
                raise httpx2.StreamError(f"the answer has more than {MAX_MESSAGE_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def _open_program(
    connection: McpConnection, name: str, settings: McpSettings, environ: Mapping[str, str], directory: Path
) -> AsyncIterator[TransportStreams]:
    assert settings.command is not None
    inherited = {variable: environ[variable] for variable in ("PATH", "HOME") if variable in environ}
    async with open_program(
        settings.command,
        environment={**inherited, **settings.env},
        directory=directory,
        on_error_line=lambda line: logger.info("MCP server %s: %s", name, line),
        max_line_bytes=MAX_MESSAGE_BYTES,
    ) as program:
        received, receiving = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        sending, sent = anyio.create_memory_object_stream[SessionMessage](0)
        with received, receiving, sending, sent:
            async with anyio.create_task_group() as group:
                group.start_soon(_receive, program, received, connection, name)
                group.start_soon(_send, program, sent, connection)
                yield receiving, sending
                group.cancel_scope.cancel()


async def _receive(
    program: Program,
    received: MemoryObjectSendStream[SessionMessage | Exception],
    connection: McpConnection,
    name: str,
) -> None:
    why = "it ended"
    try:
        async for line in program.lines():
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                logger.warning("The MCP server %s printed what is no message: %r", name, line[:200])
                continue
            await received.send(SessionMessage(message))
    except TooLargeError:
        why = f"it sent a message of more than {MAX_MESSAGE_BYTES} bytes"
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return
    connection.end(why)
    received.close()


async def _send(program: Program, sent: MemoryObjectReceiveStream[SessionMessage], connection: McpConnection) -> None:
    with suppress(OSError, anyio.ClosedResourceError):
        async for message in sent:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await program.write(text.encode() + b"\n")
        return
    connection.end("it does not read any more")


def as_text(result: types.CallToolResult) -> str:
    """What a model is told; only text, whatever else there is is described."""
    told = "\n".join(_describe(block) for block in result.content)
    if result.structured_content is not None and not any(
        isinstance(block, types.TextContent) for block in result.content
    ):
        told = f"{told}\n{json.dumps(result.structured_content, ensure_ascii=False)}".lstrip()
    return told or "(no output)"


def _describe(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            return f"[{block.type}, {block.mime_type}, {len(block.data) * 3 // 4} bytes]"
        case types.ResourceLink():
            return f"[resource {block.uri} {block.title or block.name}: {block.description or ''}]"
        case types.EmbeddedResource():
            resource = block.resource
            if isinstance(resource, types.TextResourceContents):
                return f"[resource {resource.uri}]\n{resource.text}"
            return f"[resource {resource.uri}, {resource.mime_type or 'binary'}, {len(resource.blob) * 3 // 4} bytes]"
