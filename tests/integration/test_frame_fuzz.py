"""Commands made from the AsyncAPI document, right and broken, over a real WebSocket: each is answered, and nothing breaks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from fuzz import MEMORY, SESSION, broken, collect, values_for
from house import House, open_house
from live_server import receive, send
from vgproject.schema.documents import COMMAND_CLASSES, asyncapi
from vgproject.schema.error_codes import ERROR_CODES

ANSWERS = ("ack", "error", "pong", "subscribed", "subscribed_memory")
SECONDS = 20
FRAMES = (
    '{"type": "ping", "type": "task"}',  # Of a name that comes twice the last value counts.
    *('{"type": {}}', '{"type": [[]]}', '{"type": 1}', '{"type": null}'),
    *("", "null", "[]", "{}", '"a"', "1e999", "NaN", '{"type":', '{"type": "ping"} {}', '{"type": "\\ud800"}'),
    *("[" * 5_000 + "]" * 5_000, '{"a":' * 2_000, "1" * 10_000, "\0", "\ufeff{}"),
)
BINARY = (b"", b"\xff\xfe", b'{"type": "ping"}')
ROLES = ("owner", "editor")


def frames(**more: Any) -> list[str]:
    """Of every command, with an id where it has none that is odd."""
    schemas = asyncapi("1")["components"]["schemas"]
    made = []
    for kind in COMMAND_CLASSES:
        values = values_for(schemas[kind.__name__], schemas)
        made += collect(values, 3) + collect(broken(values), 6)
    commands = [command for command in made if isinstance(command, dict)]
    return [json.dumps({"id": f"c{number}", **command, **more}) for number, command in enumerate(commands)]


async def answer(websocket: ClientConnection, frame: str | bytes, *types: str) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        await websocket.send(frame)
        return (await receive(websocket, *types))[-1]


async def with_ids(house: House, frames: list[str]) -> list[str]:
    session_id = await house.session({"editor": None})
    entry = (await house.owner.post("/v1/memory", json={"content": "Water is wet."})).json()
    return [frame.replace(SESSION, session_id).replace(MEMORY, entry["memory_id"]) for frame in frames]


@pytest.mark.parametrize("role", ROLES)
async def test_every_command_right_or_broken_is_answered_and_none_breaks_the_server(
    tmp_path: Path, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, wrong = frames(), []
    async with open_house(tmp_path, limits={"command_burst": 1_000_000, "wrong_tokens": 10_000}) as house:
        for frame in await with_ids(house, made):
            async with house.websocket(house.tokens[role]) as websocket:
                await receive(websocket, "welcome")
                answered = await answer(websocket, frame, *ANSWERS)
                if answered["type"] == "error" and not _is_plain(answered["data"]):
                    wrong.append((frame[:500], answered))
        await expect_to_work(house)
    assert wrong == []
    assert "mistake of ours" not in caplog.text


def _is_plain(error: dict[str, Any]) -> bool:
    return error["code"] in ERROR_CODES and error["code"] != "internal_error" and bool(error["message"])


async def test_no_frame_that_is_no_command_breaks_the_connection(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with house.websocket(house.tokens["editor"]) as websocket:
            await receive(websocket, "welcome")
            for frame in (*FRAMES, *BINARY):
                answered = await answer(websocket, frame, *ANSWERS)
                assert answered["type"] == "error", (frame, answered)
                assert answered["data"]["code"] != "internal_error", frame
        await expect_to_work(house)


async def test_the_same_id_with_other_content_and_in_any_order_is_answered_each_time(tmp_path: Path) -> None:
    same = frames(id="same")
    async with open_house(tmp_path, limits={"command_burst": 1_000_000}) as house:
        made = [frame for frame in await with_ids(house, same) if "hello" not in frame]
        async with house.websocket(house.tokens["owner"]) as websocket:
            await receive(websocket, "welcome")
            for frame in [*reversed(made[::5]), *made[::5]]:
                await websocket.send(frame)
            await send(websocket, type="ping", id="last")
            async with asyncio.timeout(SECONDS * 3):
                while (await receive(websocket, *ANSWERS))[-1].get("id") != "last":
                    pass
        await expect_to_work(house)


async def expect_to_work(house: House) -> None:
    """The main commands."""
    async with house.websocket(house.tokens["owner"]) as websocket:
        await send(websocket, type="create_session", id="s")
        session_id = (await receive(websocket, "ack"))[-1]["data"]["session_id"]
        await send(websocket, type="subscribe", id="f", session_id=session_id)
        await send(websocket, type="remember", id="r", session_id=session_id, content="It still works.")
        while (await receive(websocket, "ack", "error"))[-1].get("id") != "r":
            pass
        await send(websocket, type="ping", id="p")
        assert (await receive(websocket, "pong"))[-1]["id"] == "p"
