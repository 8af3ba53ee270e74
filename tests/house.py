"""A server with a user for each role."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from live_server import HEADERS, open_server
from vgproject.access.permissions import ROLES
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.schema.documents import COMMAND_CLASSES, component_schemas, example


@dataclass
class House:
    """A server with one user for each role, named by it, and a session that all of them are members of."""

    url: str
    owner: httpx.AsyncClient
    tokens: dict[str, str]
    server: EnhancedRAServer

    async def token(self, **fields: Any) -> dict[str, Any]:
        return dict((await self.owner.post("/v1/tokens", json=fields)).json())

    async def session(self, members: dict[str, str | None] | None = None) -> str:
        """One of the server's owner, with these members."""
        session_id = str((await self.owner.post("/v1/sessions", json={})).json()["session_id"])
        for user, role in (members or {}).items():
            await self.command(session_id, type="add_member", user=user, role=role)
        return session_id

    async def command(self, session_id: str, token: str | None = None, **command: Any) -> httpx.Response:
        headers = bearer(token) if token else HEADERS
        return await self.owner.post(f"/v1/sessions/{session_id}/commands", json=command, headers=headers)

    def websocket(self, token: str) -> connect:
        return connect(f"{self.url.replace('http', 'ws')}/v1/ws", additional_headers=bearer(token))


NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""To load those of the system takes longer than a request."""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def open_house(tmp_path: Path, **options: Any) -> AsyncIterator[House]:
    options = {"limits": {"command_burst": 10_000}, "approvals": "on_request"} | options
    async with (
        open_server(tmp_path, **options) as (url, server),
        httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=100) as owner,
    ):
        house = House(url, owner, {}, server)
        for role in ROLES:
            house.tokens[role] = (await house.token(user=role, role=role))["token"]
        yield house


def code_of(answer: httpx.Response) -> str:
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return str(answer.json()["code"]) if is_problem else ""


BODIES: dict[str, Any] = {
    "POST /v1/sessions": {},
    "PATCH /v1/sessions/{session_id}": {"max_turns": 5},
    "POST /v1/sessions/{session_id}/tasks": {"content": "Mend it", "model": "nonsense"},
    "POST /v1/sessions/{session_id}/commands": {"type": "task", "content": "Mend it", "model": "nonsense"},
    "POST /v1/memory": {"content": "Water is wet."},
    "PATCH /v1/memory/{memory_id}": {"content": "Water is wet.", "version": 1},
    "POST /v1/memory/conflicts/{conflict_id}": {"settlement": "keep_first"},
    "POST /v1/memory/import": {"notes": [{"content": "Water is wet."}]},
    "POST /v1/tokens": {"user": "eve"},
    "POST /sign-in": {"token": "wrong"},
}


async def ask(house: House, route: str, session_id: str, **headers: str) -> httpx.Response:
    method, _, path = route.partition(" ")
    blob = await house.server.app.state.services.event_log.keep_blob(session_id, b'{"large": true}')
    path = path.format(
        session_id=session_id,
        memory_id="mem_1",
        token_id="tok_1",
        seq=1,
        name="none.js",
        blob_id=blob["id"],
        conflict_id="con_1",
        clean_up_id="cln_1",
    )
    query = {"q": "water"} if path.endswith("/search") else None
    async with httpx.AsyncClient(base_url=house.url, verify=NO_AUTHORITIES) as http:
        return await http.request(method, path, json=BODIES.get(route), params=query, headers=headers)


def commands_for(session_id: str) -> Iterator[dict[str, Any]]:
    """One of each type, as small as it can be, none of which begins a task."""
    schemas = component_schemas()
    for kind in COMMAND_CLASSES:
        command = {**example(kind.__name__, schemas), "session_id": session_id}
        if command["type"] in ("task", "retry", "message"):
            command |= {"task": {"model": "nonsense"}, "message": {"delivery": "queue"}}.get(command["type"], {})
        if command["type"] == "update_memory":
            command["content"] = "Water is wet."
        if "user" in command:
            command["user"] = "somebody"
        yield command
