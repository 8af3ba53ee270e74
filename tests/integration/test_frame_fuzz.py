"""Commands made from the AsyncAPI document, right and broken, over a real WebSocket: each is answered, and nothing breaks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from fuzz import broken, collect, values_for
from house import House, open_house
from live_server import receive, send
from vgproject.schema.documents import COMMAND_CLASSES, asyncapi

ANSWERS = ("ack", "error", "pong", "subscribed", "subscribed_memory")
SECONDS = 20
FRAMES = (
    *("", "null", "[]", "{}", '"a"', "1e999", "NaN", '{"type":', '{"type": "ping"} {}', '{"type": "\\ud800"}'),
    *("[" * 5_000 + "]" * 5_000, '{"a":' * 2_000, "1" * 10_000, '{"type": "ping", "type": "task"}', "\0", "\ufeff{}"),
)
BINARY = (b"", b"\xff\xfe", b'{"type": "ping"}')
ROLES = ("owner", "editor")


def commands(names: dict[str, Any]) -> list[dict[str, Any]]:
    schemas = asyncapi("1")["components"]["schemas"]
    made = []
    for kind in COMMAND_CLASSES:
        values = values_for(schemas[kind.__name__], schemas, names)
        made += collect(values, 4) + collect(broken(values), 8)
    return [command for command in made if isinstance(command, dict)]


async def answer(websocket: ClientConnection, frame: str | bytes, *types: str) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        await websocket.send(frame)
        return (await receive(websocket, *types))[-1]


async def world(house: House) -> dict[str, Any]:
    session_id = await house.session({"editor": None})
    entry = (await house.owner.post("/v1/memory", json={"content": "Water is wet."})).json()
    return {
        "session_id": [session_id, session_id, None, "ses_none"],
        "memory_id": [entry["memory_id"], "mem_none"],
        "project": [None],
        "token": [None, "vgp_wrong"],
        "model": [None, "scripted:none", "nonsense"],
        "models": [{}, {"research": "nonsense"}],
        "id": ["c"],
    }


@pytest.mark.parametrize("role", ROLES)
async def test_every_command_right_or_broken_is_answered_and_none_breaks_the_server(
    tmp_path: Path, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = []
    async with open_house(tmp_path, limits={"command_burst": 1_000_000, "wrong_tokens": 10_000}) as house:
        names = await world(house)
        for number, command in enumerate(commands(names)):
            frame = json.dumps({**command, **({"id": f"c{number}"} if command.get("id") == "c" else {})})
            async with house.websocket(house.tokens[role]) as websocket:
                await receive(websocket, "welcome")
                answered = await answer(websocket, frame, *ANSWERS)
                code = answered["data"]["code"] if answered["type"] == "error" else ""
                if code == "internal_error":
                    wrong.append((frame[:500], answered))
                if answered["type"] == "error" and not answered["data"]["message"]:
                    wrong.append((frame[:500], answered))
        await expect_to_work(house)
    assert wrong == []
    assert "mistake of ours" not in caplog.text


async def test_no_frame_that_is_no_command_breaks_the_connection(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        async with house.websocket(house.tokens["editor"]) as websocket:
            await receive(websocket, "welcome")
            for frame in (*FRAMES, *BINARY):
                answered = await answer(websocket, frame, *ANSWERS)
                assert answered["type"] == "error" or frame == FRAMES[13], (frame, answered)
                assert answered["type"] != "error" or answered["data"]["code"] != "internal_error", frame
        await expect_to_work(house)


async def test_the_same_id_with_other_content_and_in_any_order_is_answered_each_time(tmp_path: Path) -> None:
    async with open_house(tmp_path, limits={"command_burst": 1_000_000}) as house:
        names = await world(house)
        frames = [json.dumps({**command, "id": "same"}) for command in commands({**names, "token": [None]})]
        async with house.websocket(house.tokens["owner"]) as websocket:
            await receive(websocket, "welcome")
            for frame in [*reversed(frames[::5]), *frames[::5]]:
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
