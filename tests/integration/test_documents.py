"""The documents of the protocol, and every frame and answer of a real run held against them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import validate
from websockets.asyncio.client import connect

from live_server import ENDS, HEADERS, TOKEN, open_server, open_websocket, receive, running_server, send
from vgproject.schema.documents import asyncapi

DATA = Path(__file__).parents[1] / "data"
DOCUMENT = asyncapi("0")


def check(name: str, message: Any, components: dict[str, Any]) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    Draft202012Validator(schema).validate(message)


def test_the_asyncapi_document_is_valid() -> None:
    Draft7Validator(json.loads((DATA / "asyncapi-3.0.0.json").read_text())).validate(DOCUMENT)


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_the_examples_of_a_message_are_valid(name: str) -> None:
    for example in DOCUMENT["components"]["messages"][name].get("examples", ()):
        check(name, example["payload"], DOCUMENT["components"])


async def test_every_frame_of_a_real_run_is_as_the_document_says(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, open_websocket(url) as websocket:
        command = {"type": "task", "content": "Make the failing test pass"}
        await send(websocket, **command)
        received = await receive(websocket, *ENDS)
        await send(websocket, type="ping")
        received += await receive(websocket, "pong")
        async with httpx.AsyncClient(base_url=url, headers=HEADERS) as client:
            openapi = (await client.get("/openapi.json")).json()
            served = (await client.get("/asyncapi.json")).json()
            session_id = next(frame["session_id"] for frame in received if "seq" in frame)
            page = (await client.get(f"/v1/sessions/{session_id}/events")).json()
            problem = (await client.get("/v1/sessions/nowhere")).json()
    check("Command", command, served["components"])
    for frame in received:
        check("Outgoing", frame, served["components"])
    validate(openapi)
    check("EventPage", page, openapi["components"])
    check("Problem", problem, openapi["components"])


OPEN_PATHS = {"/livez": 200, "/readyz": 200, "/sign-in": 422, "/sign-out": 204}


async def test_every_route_needs_a_token_but_the_health_checks_and_signing_in(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        paths = (await client.get("/openapi.json", headers=HEADERS)).json()["paths"]
        for path, operations in {**paths, "/openapi.json": ["get"], "/asyncapi.json": ["get"]}.items():
            for method in operations:
                answer = await client.request(method, path)
                assert answer.status_code == OPEN_PATHS.get(path, 401), path
                assert answer.headers["x-content-type-options"] == "nosniff"
                for foreign in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
                    assert (await client.request(method, path, headers=HEADERS | foreign)).status_code == 403


async def test_a_body_that_is_too_large_is_refused_with_its_length_and_in_chunks(tmp_path: Path) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 1000

    async with (
        running_server(tmp_path, limits={"body_bytes": 20_000}) as url,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as client,
    ):
        for content in (b"x" * 40_000, chunks()):
            answer = await client.post("/v1/sessions", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_an_idle_subscription_shows_that_it_lives_and_a_binary_frame_is_answered(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits={"heartbeat_seconds": 0.05}) as url,
        open_websocket(url) as websocket,
    ):
        await websocket.send(b"\x00")
        assert (await receive(websocket, "error"))[-1]["data"]["code"] == "bad_frame"
        await send(websocket, type="create_session", id="c")
        session_id = (await receive(websocket, "ack"))[-1]["data"]["session_id"]
        await send(websocket, type="subscribe", session_id=session_id)
        heartbeat = (await receive(websocket, "heartbeat"))[-1]
    assert heartbeat == {"type": "heartbeat", "session_id": session_id, "head_seq": 1}


async def test_a_client_that_does_not_say_hello_in_time_is_closed_with_4401(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, limits={"hello_seconds": 0.2}) as url,
        connect(url.replace("http", "ws") + "/v1/ws") as websocket,
    ):
        await send(websocket, type="subscribe", session_id="any")
        assert (await receive(websocket, "error"))[-1]["data"]["code"] == "unauthenticated"
        await websocket.wait_closed()
        assert websocket.close_code == 4401


async def test_a_stream_of_events_beats_and_does_not_hold_the_exit(tmp_path: Path) -> None:
    async with httpx.AsyncClient(headers=HEADERS) as client:
        async with running_server(tmp_path, limits={"heartbeat_seconds": 0.05}) as url:
            session_id = (await client.post(f"{url}/v1/sessions", json={})).json()["session_id"]
            tail = {"Accept": "text/event-stream", "Last-Event-ID": "99"}
            stream = await client.send(
                client.build_request("GET", f"{url}/v1/sessions/{session_id}/events", headers=tail), stream=True
            )
            lines = stream.aiter_lines()
            assert await anext(lines) == "event: snapshot"
            async for line in lines:
                if line == ": heartbeat":
                    break
        assert [line async for line in lines if line not in ("", ": heartbeat")] == []
        await stream.aclose()


async def test_a_request_that_does_not_come_to_its_end_is_ended_and_a_long_answer_is_not(tmp_path: Path) -> None:
    limits = {"request_seconds": 0.3, "heartbeat_seconds": 0.05}
    async with (
        running_server(tmp_path, limits=limits) as url,
        httpx.AsyncClient(base_url=url, headers=HEADERS) as client,
        open_websocket(url) as websocket,
    ):
        session_id = (await client.post("/v1/sessions", json={})).json()["session_id"]
        tail = {"Accept": "text/event-stream"}
        async with client.stream("GET", f"/v1/sessions/{session_id}/events", headers=tail) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            head = f"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
            begun = [b"", b"GET /livez HT", head.encode(), f"{head}Content-Length: 10\r\n\r\n{{".encode()]
            port = int(url.rpartition(":")[2])
            opened = [await asyncio.open_connection("127.0.0.1", port) for _ in begun]
            for (_, writer), sent in zip(opened, begun, strict=True):
                writer.write(sent)
            async with asyncio.timeout(100):
                ends = await asyncio.gather(*(reader.read() for reader, _ in opened), return_exceptions=True)
            for _, writer in opened:
                writer.close()
            assert all(end == b"" or isinstance(end, ConnectionResetError) for end in ends)
            await client.patch(f"/v1/sessions/{session_id}", json={"max_task_turns": 7})
            while await anext(lines) != "event: settings_updated":
                pass
        await send(websocket, type="ping")
        await receive(websocket, "pong")


async def test_answers_say_what_browsers_may_do_with_them_also_where_a_mistake_is_answered(tmp_path: Path) -> None:
    async with open_server(tmp_path) as (url, server), httpx.AsyncClient(base_url=url, headers=HEADERS) as client:
        data = await client.get("/v1/sessions")
        services, server.app.state.services = server.app.state.services, None
        mistake = await client.get("/v1/sessions")
        server.app.state.services = services
    assert mistake.status_code == 500
    for answer in (data, mistake):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Request-Id"]
        assert "Strict-Transport-Security" not in answer.headers
