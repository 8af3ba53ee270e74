"""API tokens over HTTP: made by the owner, used by others, of no use once revoked or expired."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from websockets.asyncio.client import connect

from house import code_of, open_house
from live_server import HEADERS, TOKEN, open_server, receive, running_server
from vgproject.access.tokens import Tokens
from vgproject.audit import AuditTrail
from vgproject.auth import COOKIE, Authenticator
from vgproject.errors import UnauthenticatedError
from vgproject.repositories.audit_store import open_audit_store
from vgproject.repositories.database_url import DatabaseUrl, sqlite_file
from vgproject.repositories.unit_of_work import Database
from vgproject.schema.access import NewToken
from vgproject.utils.clock import utc_now
from vgproject.utils.ids import new_id
from vgproject.utils.secrets import SecretMask


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def make_token(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    made = await http.post("/v1/tokens", json=fields)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_a_token_is_shown_once_works_and_is_of_no_use_once_revoked(tmp_path: Path) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as owner:
        made = await make_token(owner, user="ada", role="viewer", name="her screen")
        token, token_id = made.pop("token"), made["token_id"]
        assert (await owner.get("/v1/tokens")).json() == [made]
        assert (made["user"], made["role"], made["last_used_at"]) == ("ada", "viewer", None)
        used = await owner.get("/v1/sessions", headers=bearer(token))
        assert (used.status_code, used.json()) == (200, [])
        async with connect(f"{url.replace('http', 'ws')}/v1/ws", additional_headers=bearer(token)) as websocket:
            welcome = (await receive(websocket, "welcome"))[-1]
        assert (welcome["user"], welcome["role"]) == ("ada", "viewer")
        [seen] = (await owner.get("/v1/tokens")).json()
        assert seen["last_used_at"] >= made["created_at"]

        revoked = (await owner.delete(f"/v1/tokens/{token_id}")).json()
        assert revoked["revoked_at"]
        assert (await owner.delete(f"/v1/tokens/{token_id}")).json() == revoked
        refused = await owner.get("/v1/sessions", headers=bearer(token))
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert (await owner.delete("/v1/tokens/tok_none")).json()["code"] == "no_such_token"
    assert token.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "home").glob("*.db*"))


@pytest.mark.parametrize("role", ["viewer", "editor", "approver"])
async def test_only_an_owner_makes_sees_and_revokes_tokens(tmp_path: Path, role: str) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as owner:
        made = await make_token(owner, user="ada", role=role)
        headers = bearer(made["token"])
        asked = {"user": "eve", "role": "owner"}
        for answer in (
            await owner.get("/v1/tokens", headers=headers),
            await owner.post("/v1/tokens", headers=headers, json=asked),
            await owner.delete(f"/v1/tokens/{made['token_id']}", headers=headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert len((await owner.get("/v1/tokens")).json()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user": "*"},
        {"user": "a b"},
        {"user": "ada\0"},
        {"user": "ada", "role": "king"},
        {"user": "ada", "expires_in_seconds": 0},
    ],
)
async def test_a_token_that_cannot_be_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    async with running_server(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=HEADERS) as owner:
        assert (await owner.post("/v1/tokens", json=fields)).status_code == 422


async def test_a_token_expires_and_its_use_is_noted_to_the_minute(database_url: DatabaseUrl) -> None:
    now = utc_now()
    database = Database(database_url)
    try:
        await database.upgrade()
        tokens = Tokens(database, now=lambda: now, new_id=new_id)
        made = await tokens.create(NewToken(user="ada", expires_in_seconds=100))
        for_ever = await tokens.create(NewToken(user="bob", role="owner", expires_in_seconds=None))
        caller = await tokens.identify(made.token)
        assert (caller.user_id, caller.role, caller.token_id) == ("ada", "editor", made.token_id)
        assert caller.expires_at == now + timedelta(seconds=100)
        first = (await tokens.list_all())[0].last_used_at
        for seconds, is_noted in ((59, False), (2, True)):
            now += timedelta(seconds=seconds)
            await tokens.identify(made.token)
            assert ((await tokens.list_all())[0].last_used_at != first) is is_noted
        now += timedelta(seconds=39)
        with pytest.raises(UnauthenticatedError, match="expired"):
            await tokens.identify(made.token)
        now += timedelta(days=20_000)
        assert (await tokens.identify(for_ever.token)).role == "owner"
    finally:
        await database.close()


async def test_a_browser_is_signed_in_once_by_a_code_and_out_at_the_end_of_its_cookie(tmp_path: Path) -> None:
    now = utc_now()
    database = Database(sqlite_file(tmp_path / "vgproject.db"))
    await database.upgrade()
    tokens = Tokens(database, now=lambda: now, new_id=new_id)
    audit = AuditTrail(database, open_audit_store(database.url), "srv_1", now=lambda: now, secrets=SecretMask())
    authenticator = Authenticator(tmp_path, TOKEN, tokens, audit, now=lambda: now)
    code = authenticator.new_code()
    cookie = await authenticator.take_code(code, "::1")
    with pytest.raises(UnauthenticatedError):
        await authenticator.take_code(code, "::1")
    authenticator.close()
    await audit.close()
    await database.close()
    assert authenticator.of_cookie(cookie)
    expires, _, signature = cookie.partition(".")
    for wrong in ("", cookie[:-1], f"{int(expires) + 1}.{signature}", f".{signature}", "ü.ü"):
        assert authenticator.of_cookie(wrong) is None
    now += timedelta(days=31)
    assert authenticator.of_cookie(cookie) is None


@pytest.mark.parametrize("over_tls", [False, True])
async def test_the_cookie_is_for_this_page_alone(tmp_path: Path, over_tls: bool) -> None:
    proxied = {"X-Forwarded-Proto": "https"} if over_tls else {}
    async with open_server(tmp_path) as (url, server), httpx.AsyncClient(base_url=url) as browser:
        assert server.authenticator
        link = f"/sign-in?code={server.authenticator.new_code()}"
        signed_in = await browser.get(link, headers=proxied)
        assert signed_in.status_code == 303
        attributes = signed_in.headers["set-cookie"].lower().split("; ")
        assert {"httponly", "samesite=strict"} <= set(attributes)
        assert ("secure" in attributes) is over_tls
        assert (await browser.get(link)).status_code == 401
        for cookie, status in ((signed_in.cookies[COOKIE], 200), ("0.0", 401)):
            async with httpx.AsyncClient(base_url=url, cookies={COOKIE: cookie}) as another:
                assert (await another.get("/v1/sessions")).status_code == status


async def test_a_jwt_counts_where_the_configuration_says_so(tmp_path: Path) -> None:
    key = OctKey.import_key("a secret of at least thirty-two bytes")
    claims = {"iss": "id", "aud": "vgproject", "sub": "ada", "role": "editor", "exp": int(utc_now().timestamp()) + 600}
    headers = bearer(jwt.encode({"alg": "HS256"}, claims, key))
    settings = {"secret": "a secret of at least thirty-two bytes", "issuer": "id", "audience": "vgproject"}
    for options, status in (({"auth": "jwt"}, 201), ({}, 401)):
        async with running_server(tmp_path, jwt=settings, **options) as url, httpx.AsyncClient(base_url=url) as http:
            made = await http.post("/v1/sessions", json={}, headers=headers)
            assert made.status_code == status
            assert (await http.get("/v1/sessions", headers=HEADERS)).status_code == 200
            if status == 201:
                assert made.json()["owner"] == "ada"
                assert (await http.get("/v1/tokens", headers=headers)).status_code == 403
                async with connect(f"{url.replace('http', 'ws')}/v1/ws", additional_headers=headers) as websocket:
                    welcome = (await receive(websocket, "welcome"))[-1]
                assert (welcome["user"], welcome["role"]) == ("ada", "editor")


async def test_a_token_is_swapped_for_a_cookie_that_is_good_for_as_long_as_the_token(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        made = await house.token(user="ada", role="editor")
        async with httpx.AsyncClient(base_url=house.url) as browser:
            refused = await browser.post("/sign-in", json={"token": "vgp_wrong"})
            assert (refused.status_code, code_of(refused)) == (401, "unauthenticated")
            signed_in = await browser.post("/sign-in", json={"token": made["token"]})
            assert signed_in.status_code == 204
            assert {"httponly", "samesite=strict"} <= set(signed_in.headers["set-cookie"].lower().split("; "))
            assert (await browser.get("/v1/sessions")).status_code == 200
            assert (await browser.get("/v1/tokens")).status_code == 403
            await house.owner.delete(f"/v1/tokens/{made['token_id']}")
            assert (await browser.get("/v1/sessions")).status_code == 401


async def test_the_cookie_has_no_owner_token_in_it_and_none_is_left_after_signing_out(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, httpx.AsyncClient(base_url=house.url) as browser:
        await browser.post("/sign-in", json={"token": TOKEN})
        assert TOKEN not in browser.cookies[COOKIE]
        assert (await browser.get("/v1/tokens")).status_code == 200
        await browser.post("/sign-out")
        assert (await browser.get("/v1/sessions")).status_code == 401
        async with httpx.AsyncClient(base_url=house.url, cookies={COOKIE: TOKEN}) as forger:
            assert (await forger.get("/v1/sessions")).status_code == 401
