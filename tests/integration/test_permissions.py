"""The whole table of who may do what: every route and every command, by every role and by who should not be here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from house import ask, bearer, code_of, commands_for, open_house
from live_server import HEADERS, receive, send
from vgproject.access.permissions import COMMANDS, ROLES, ROUTES
from vgproject.config import load_config
from vgproject.enhanced_server import EnhancedRAServer
from vgproject.routes import page
from vgproject.routes.documents import openapi
from vgproject.schema.commands import COMMAND_TYPES

PAGE = {
    "GET /",
    "GET /settings",
    "GET /sessions/{session_id}",
    "GET /sessions/{session_id}/events/{seq}",
    "GET /assets/{name}",
}
SIGN_IN = {"GET /sign-in", "POST /sign-in"}
OPEN_ROUTES = {*PAGE, *SIGN_IN, "POST /sign-out", "GET /livez", "GET /readyz"}
LEAST_FOR_ROUTES = {
    "viewer": {
        "GET /metrics",
        "GET /openapi.json",
        "GET /asyncapi.json",
        "GET /v1/sessions",
        "GET /v1/sessions/{session_id}",
        "GET /v1/sessions/{session_id}/events",
        "GET /v1/sessions/{session_id}/turns",
        "GET /v1/sessions/{session_id}/diff",
        "GET /v1/workspaces",
        "GET /v1/memory",
        "GET /v1/memory/search",
        "GET /v1/memory/conflicts",
        "GET /v1/memory/clean-up",
        "GET /v1/memory/{memory_id}/history",
        "GET /v1/memory/{memory_id}",
        "GET /v1/blobs/{blob_id}",
    },
    "editor": {
        "POST /v1/sessions",
        "PATCH /v1/sessions/{session_id}",
        "POST /v1/sessions/{session_id}/tasks",
        "POST /v1/sessions/{session_id}/commands",
        "POST /v1/sessions/{session_id}/branch",
        "POST /v1/sessions/{session_id}/fork",
        "POST /v1/memory",
        "PATCH /v1/memory/{memory_id}",
        "DELETE /v1/memory/{memory_id}",
        "POST /v1/memory/{memory_id}/restore",
        "POST /v1/memory/conflicts/{conflict_id}",
        "POST /v1/memory/import",
        "POST /v1/memory/clean-up",
        "POST /v1/memory/clean-up/{clean_up_id}/undo",
    },
    "approver": {"POST /v1/sessions/{session_id}/apply"},
    "owner": {
        "DELETE /v1/sessions/{session_id}",
        "GET /v1/audit",
        "GET /v1/tokens",
        "POST /v1/tokens",
        "DELETE /v1/tokens/{token_id}",
    },
}
OPEN_COMMANDS = {"hello", "ping"}
LEAST_FOR_COMMANDS = {
    "viewer": {"subscribe", "unsubscribe", "subscribe_memory", "unsubscribe_memory", "set_presence"},
    "editor": {
        "create_session",
        "task",
        "message",
        "cancel",
        "pause",
        "resume",
        "retry",
        "answer",
        "update_settings",
        "rename_session",
        "rewind",
        "remember",
        "update_memory",
        "forget",
        "restore_memory",
        "settle_memory",
        "comment",
        "resolve_comment",
        "request_control",
        "hand_over",
        "release_control",
    },
    "approver": {"resolve_approval", "resolve_plan", "resolve_recovery", "revoke_approvals"},
    "owner": {"add_member", "remove_member", "set_role"},
}
ON_CONNECTIONS = {"hello", "ping", "subscribe", "unsubscribe", "subscribe_memory", "unsubscribe_memory"}
OF_MEMORY = {"update_memory", "forget", "restore_memory", "settle_memory"}
"""They name an entry, of whichever session."""


def ranked(least: dict[str, set[str]]) -> Iterator[tuple[str, int]]:
    for role, names in least.items():
        yield from ((name, ROLES.index(role)) for name in sorted(names))


def test_the_table_has_every_route_and_every_command_and_no_other(tmp_path: Path) -> None:
    app = EnhancedRAServer(_nothing_loaded(tmp_path)).app
    pages = {("GET", route.path) for route in page.router.routes if isinstance(route, APIRoute)} | {("GET", "/sign-in")}
    described = {(method.upper(), path) for path, operations in openapi(app)["paths"].items() for method in operations}
    assert set(ROUTES) == pages | described
    assert {f"{method} {path}" for method, path in ROUTES} == OPEN_ROUTES.union(*LEAST_FOR_ROUTES.values())
    assert set(COMMANDS) == COMMAND_TYPES == OPEN_COMMANDS.union(*LEAST_FOR_COMMANDS.values())


def _nothing_loaded(home: Path) -> Any:
    return load_config({"home": home}, {})


async def test_every_route_answers_each_role_as_it_may(tmp_path: Path) -> None:
    wrong = []
    async with open_house(tmp_path) as house:
        for route, least in ranked(LEAST_FOR_ROUTES):
            session_id = await house.session(dict.fromkeys(ROLES))
            for rank, role in enumerate(ROLES):
                code = code_of(await ask(house, route, session_id, **bearer(house.tokens[role])))
                if (code == "forbidden") is not (rank < least) or code in ("unauthenticated", "internal_error"):
                    wrong.append((route, role, code))
    assert wrong == []


async def test_a_role_in_a_session_bounds_what_a_token_may_do_there(tmp_path: Path) -> None:
    wrong = []
    async with open_house(tmp_path) as house:
        token = house.tokens["approver"]
        for route, least in ranked(LEAST_FOR_ROUTES):
            if "{session_id}" not in route:
                continue
            for rank, role in enumerate(ROLES):
                session_id = await house.session({"approver": role})
                code = code_of(await ask(house, route, session_id, **bearer(token)))
                if (code == "forbidden") is not (rank < least):
                    wrong.append((route, role, code))
    assert wrong == []


async def test_who_should_not_be_here_is_kept_out_of_every_route(tmp_path: Path) -> None:
    wrong = []
    async with open_house(tmp_path, limits={"wrong_tokens": 10_000}) as house:
        revoked = await house.token(user="ada", role="owner")
        await house.owner.delete(f"/v1/tokens/{revoked['token_id']}")
        expired = await house.token(user="ada", role="owner", expires_in_seconds=1e-6)
        strangers: dict[str, dict[str, str]] = {
            "nobody": {},
            "wrong": bearer("vgp_" + "x" * 43),
            "wrong again": bearer("x"),
            "revoked": bearer(revoked["token"]),
            "expired": bearer(expired["token"]),
        }
        foreign = ({"Host": "evil.example"}, {"Origin": "http://evil.example"})
        session_id = await house.session()
        for route in sorted(OPEN_ROUTES.union(*LEAST_FOR_ROUTES.values())):
            for name, headers in strangers.items():
                answer = await ask(house, route, session_id, **headers)
                if (answer.status_code == 401) is not (route not in OPEN_ROUTES) and route not in SIGN_IN:
                    wrong.append((route, name, answer.status_code))
            for headers in foreign:
                answer = await ask(house, route, session_id, **HEADERS, **headers)
                if (answer.status_code, code_of(answer)) != (403, "forbidden"):
                    wrong.append((route, str(headers), answer.status_code))
        for name, headers in strangers.items():
            async with connect(f"{house.url.replace('http', 'ws')}/v1/ws", additional_headers=headers) as websocket:
                if name == "nobody":
                    await send(websocket, type="hello", token="vgp_wrong")
                with pytest.raises(ConnectionClosed):
                    await receive(websocket, "never")
                assert (name, websocket.close_code) == (name, 4401)
        port = int(house.url.rpartition(":")[2])
        with pytest.raises(InvalidStatus, match="403"):
            await connect("ws://evil.example/v1/ws", host="127.0.0.1", port=port, additional_headers=HEADERS)
        headers = {**HEADERS, "Origin": "http://evil.example"}
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"{house.url.replace('http', 'ws')}/v1/ws", additional_headers=headers)
    assert wrong == []


async def test_a_session_is_not_there_for_who_is_no_member(tmp_path: Path) -> None:
    wrong = []
    async with open_house(tmp_path) as house:
        session_id = await house.session()
        for role in ("viewer", "editor", "approver"):
            headers = bearer(house.tokens[role])
            for route in sorted(set().union(*LEAST_FOR_ROUTES.values())):
                if "{session_id}" in route or "{blob_id}" in route:
                    hidden = await ask(house, route, session_id, **headers)
                    if (hidden.status_code, code_of(hidden)) != (404, f"no_such_{_what(route)}"):
                        wrong.append((route, role, hidden.status_code))
            for path in ("/v1/sessions", "/v1/workspaces"):
                assert (await house.owner.get(path, headers=headers)).json() == []
            missing = await house.command("ses_none", house.tokens[role], type="cancel")
            hidden = await house.command(session_id, house.tokens[role], type="cancel")
            differing = {"request_id": ""}
            assert hidden.json() | differing == json.loads(missing.text.replace("ses_none", session_id)) | differing
        everywhere = (await house.owner.get("/v1/sessions", headers=bearer(house.tokens["owner"]))).json()
        assert [view["session_id"] for view in everywhere] == [session_id]
    assert wrong == []


def _what(route: str) -> str:
    return "blob" if "blob" in route else "session"


async def test_every_command_answers_each_role_as_it_may(tmp_path: Path) -> None:
    wrong = []
    least = dict(ranked(LEAST_FOR_COMMANDS))
    async with open_house(tmp_path) as house:
        session_id = await house.session(dict.fromkeys(ROLES))
        for rank, role in enumerate(ROLES):
            token = house.tokens[role]
            async with house.websocket(token) as websocket:
                for command in commands_for(session_id):
                    name = command["type"]
                    codes = [await _code_by_websocket(websocket, command)]
                    if name not in ON_CONNECTIONS:
                        codes.append(code_of(await house.command(token=token, **command)))
                    is_refused = rank < least.get(name, 0)
                    if any((code == "forbidden") is not is_refused or code in BAD for code in codes):
                        wrong.append((name, role, codes))
    assert wrong == []


async def test_every_command_on_a_session_of_others_finds_none(tmp_path: Path) -> None:
    wrong = []
    not_of_a_session = {*OPEN_COMMANDS, "unsubscribe", "create_session", *OF_MEMORY}
    async with open_house(tmp_path) as house:
        session_id = await house.session()
        for role in ("viewer", "editor", "approver"):
            async with house.websocket(house.tokens[role]) as websocket:
                for command in commands_for(session_id):
                    if command["type"] in not_of_a_session:
                        continue
                    code = await _code_by_websocket(websocket, command)
                    if code != "no_such_session":
                        wrong.append((command["type"], role, code))
    assert wrong == []


async def test_a_connection_without_a_token_is_answered_by_no_command_but_hello_and_ping(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        session_id = await house.session()
        async with connect(f"{house.url.replace('http', 'ws')}/v1/ws") as websocket:
            for command in commands_for(session_id):
                if command["type"] not in OPEN_COMMANDS:
                    assert await _code_by_websocket(websocket, command) == "unauthenticated"
            await send(websocket, type="hello", id="h", token=house.tokens["viewer"])
            assert (await receive(websocket, "ack"))[-1]["data"] == {"user": "viewer", "role": "viewer"}


BAD = ("unauthenticated", "internal_error", "unknown_type", "no_such_session", "bad_frame")


async def _code_by_websocket(websocket: ClientConnection, command: dict[str, Any]) -> str:
    """That of the error it is answered with; empty for another answer."""
    if command["type"] == "hello":
        command = {"type": "hello"}
    await send(websocket, **{**command, "id": "c"})
    answers = ("ack", "error", "pong", "subscribed", "subscribed_memory")
    answer = (await receive(websocket, *answers))[-1]
    while answer.get("id") != "c":
        answer = (await receive(websocket, *answers))[-1]
    return str(answer["data"]["code"]) if answer["type"] == "error" else ""
