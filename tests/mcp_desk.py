"""A real MCP server for tests: ``python mcp_desk.py`` speaks on its input and output, ``… http PORT_FILE`` over HTTP.

Beside it, in the directory ``DESK``, it leaves what a test wants to see: its process id, its environment, its calls.
"""

import base64
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ImageContent, TextContent, ToolAnnotations
from pydantic import BaseModel

DESK = Path(os.environ.get("DESK", "."))
READ_ONLY = ToolAnnotations(read_only_hint=True)
server = MCPServer("desk", log_level="WARNING")


class Ticket(BaseModel):
    number: int
    title: str


@server.tool(annotations=READ_ONLY)
def look_up(word: str) -> str:
    """Look a word up."""
    _note(f"look_up {word}")
    return f"{word} means nothing"


@server.tool()
def file_ticket(title: str) -> Ticket:
    """File a ticket."""
    _note(f"file_ticket {title}")
    return Ticket(number=7, title=title)


@server.tool(annotations=READ_ONLY)
def refuse() -> str:
    """Never works."""
    raise ToolError("the desk is closed")


@server.tool(annotations=READ_ONLY)
def picture() -> CallToolResult:
    """Shows a picture."""
    image = ImageContent(data=base64.b64encode(b"x" * 300).decode(), mime_type="image/png")
    return CallToolResult(content=[TextContent(text="Look:"), image])


@server.tool(annotations=READ_ONLY)
def numbers() -> CallToolResult:
    """Only structure."""
    return CallToolResult(content=[], structured_content={"numbers": [1, 2]})


@server.tool(name="say/a lot", annotations=READ_ONLY)
def say_a_lot(characters: int) -> str:
    """Says a lot."""
    return "a" * characters


@server.tool()
async def wait_for_ever() -> str:
    """Does not answer."""
    _note("wait_for_ever")
    await anyio.sleep_forever()
    return ""


@server.tool()
def die(once: bool = False) -> str:
    """Ends the process in the middle."""
    died = DESK / "died"
    if once and died.exists():
        return "still here"
    died.touch()
    os._exit(3)


@server.tool(annotations=READ_ONLY)
async def count(context: Context[Any, Any], to: int) -> str:
    """Counts, and says how far it is."""
    for number in range(1, to + 1):
        await context.report_progress(number, to, f"counted {number}")
    return "counted"


def _note(call: str) -> None:
    with (DESK / "calls").open("a") as file:
        file.write(f"{call}\n")


def main() -> None:
    with (DESK / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")
    (DESK / "environment.json").write_text(json.dumps(dict(os.environ)))
    if sys.argv[1:2] == ["http"]:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
        _say_open(f"on port {listener.getsockname()[1]}")
        uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="warning")).run(sockets=[listener])
    else:
        _say_open("here")
        server.run("stdio")


def _say_open(where: str) -> None:
    sys.stderr.write(f"The desk is open {where}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
