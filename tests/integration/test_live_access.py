"""What is open ends with its token; who tries wrong ones waits."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from house import bearer, code_of, open_house
from live_server import HEADERS, TOKEN, frames, receive, running_server, send
from vgproject.repositories.database_url import DatabaseUrl
from vgproject.repositories.unit_of_work import Database
from vgproject.utils.clock import utc_now


async def closed(websocket: ClientConnection) -> int | None:
    with suppress(ConnectionClosed):
        async for _ in frames(websocket):
            pass
    return websocket.close_code


async def test_revoked_tokens_end_connections_and_streams_and_no_others(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await house.token(user="ada", role="viewer")
        token, another = made["token"], (await house.token(user="ada", role="viewer"))["token"]
        session_id = await house.session({"ada": None})
        tail = {**bearer(token), "Accept": "text/event-stream"}
        async with (
            house.websocket(token) as websocket,
            connect(f"{house.url.replace('http', 'ws')}/v1/ws") as greeted,
            house.websocket(another) as other,
            house.owner.stream("GET", f"/v1/sessions/{session_id}/events", headers=tail) as stream,
        ):
            await send(websocket, type="subscribe", session_id=session_id)
            await receive(websocket, "member_joined")
            await send(greeted, type="hello", id="h", token=token)
            await receive(greeted, "ack")
            lines = stream.aiter_lines()
            await anext(lines)
            await house.owner.delete(f"/v1/tokens/{made['token_id']}")
            assert [await closed(websocket), await closed(greeted)] == [4401, 4401]
            assert [line async for line in lines][-1] == ""
            await send(other, type="ping")
            await receive(other, "pong")
        async with house.websocket(token) as websocket:
            assert await closed(websocket) == 4401


async def test_an_expired_token_ends_its_connection_with_4001(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        token = (await house.token(user="ada", role="viewer", expires_in_seconds=2.0))["token"]
        session_id = await house.session({"ada": None})
        tail = {**bearer(token), "Accept": "text/event-stream"}
        async with (
            house.websocket(token) as websocket,
            house.websocket(house.tokens["viewer"]) as other,
            house.owner.stream("GET", f"/v1/sessions/{session_id}/events", headers=tail) as stream,
        ):
            assert await closed(websocket) == 4001
            async for _ in stream.aiter_lines():
                pass
            await send(other, type="ping")
            await receive(other, "pong")
        refused = await house.owner.get("/v1/sessions", headers=bearer(token))
        assert (refused.status_code, code_of(refused)) == (401, "unauthenticated")


async def test_a_connection_ends_with_its_jwt_and_lives_on_with_the_next(tmp_path: Path) -> None:
    secret = "a secret of at least thirty-two bytes"
    settings = {"secret": secret, "issuer": "id", "audience": "vgproject", "leeway_seconds": 0}

    def token(seconds: int) -> str:
        expires = int(utc_now().timestamp()) + seconds
        claims = {"iss": "id", "aud": "vgproject", "sub": "ada", "role": "editor", "exp": expires}
        return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))

    async with running_server(tmp_path, auth="jwt", jwt=settings) as url:
        address, first = f"{url.replace('http', 'ws')}/v1/ws", bearer(token(2))
        async with (
            connect(address, additional_headers=first) as ends,
            connect(address, additional_headers=first) as goes_on,
        ):
            await send(goes_on, type="hello", id="h", token=token(600))
            await receive(goes_on, "ack")
            assert await closed(ends) == 4001
            await send(goes_on, type="ping")
            await receive(goes_on, "pong")


async def test_a_token_that_another_process_revokes_ends_its_connection(
    tmp_path: Path, database_url: DatabaseUrl
) -> None:
    """The other process is a second connection to the database, which nobody tells of anything."""
    async with open_house(tmp_path, database_url=database_url.for_driver) as house:
        made = await house.token(user="ada", role="viewer")
        async with house.websocket(made["token"]) as websocket:
            await receive(websocket, "welcome")
            database = Database(database_url)
            async with database.unit_of_work() as work:
                row = await work.tokens.get(made["token_id"])
                assert row
                row.revoked_at = utc_now()
                await work.commit()
            await database.close()
            async with asyncio.timeout(100):
                assert await closed(websocket) == 4401


async def test_wrong_tokens_make_their_address_wait_but_no_token_that_was_right_before(tmp_path: Path) -> None:
    async with running_server(tmp_path, limits={"wrong_tokens": 3}) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            made = (await http.post("/v1/tokens", json={"user": "ada"}, headers=HEADERS)).json()["token"]
            new = (await http.post("/v1/tokens", json={"user": "bob"}, headers=HEADERS)).json()["token"]
            assert (await http.get("/v1/sessions", headers=bearer(made))).status_code == 200
            for _ in range(3):
                assert (await http.get("/v1/sessions", headers=bearer("vgp_guess"))).status_code == 401
            assert (await http.get("/v1/sessions", headers=bearer("vgp_guess"))).status_code == 401
            for token in ("vgp_guess", new):
                waits = await http.get("/v1/sessions", headers=bearer(token))
                assert (waits.status_code, code_of(waits)) == (429, "too_many_wrong_tokens")
                assert 0 < waits.json()["details"]["retry_after_ms"] <= 2001
                assert waits.headers["retry-after"] in ("1", "2", "3")
            for token in (TOKEN, made):
                assert (await http.get("/v1/sessions", headers=bearer(token))).status_code == 200
            assert (await http.get("/sign-in", params={"code": "guess"})).status_code == 429
            elsewhere = {**bearer("vgp_guess"), "X-Forwarded-For": "192.0.2.1"}
            assert (await http.get("/v1/sessions", headers=elsewhere)).status_code == 429
        address = f"{url.replace('http', 'ws')}/v1/ws"
        async with connect(address, additional_headers=bearer("vgp_guess")) as websocket:
            with pytest.raises(ConnectionClosed):
                await receive(websocket, "welcome")
            assert websocket.close_code == 4029
        async with connect(address) as websocket:
            await send(websocket, type="hello", id="h", token="vgp_guess")
            refused: dict[str, Any] = (await receive(websocket, "error"))[-1]["data"]
            assert (refused["code"], refused["retry_after_ms"] > 0) == ("too_many_wrong_tokens", True)
            assert await closed(websocket) == 4029
