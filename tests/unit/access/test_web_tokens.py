"""JWTs with real keys: what counts, and every way to cheat that is known."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from vgproject.access.jwt_keys import AGE_SECONDS, RETRY_SECONDS, KeyUrl
from vgproject.access.jwt_settings import JwtSettings
from vgproject.access.web_tokens import WebTokens
from vgproject.errors import ConfigError, UnauthenticatedError, UnavailableError

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
SECRET = "a secret of at least thirty-two bytes"
RSA = RSAKey.generate_key(2048, {"kid": "one"})
RSA_TWO = RSAKey.generate_key(2048, {"kid": "two"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
GOOD = {"sub": "ada", "role": "editor", "iss": "https://id.example", "aud": "vgproject"}


def settings(**more: Any) -> JwtSettings:
    return JwtSettings(issuer="https://id.example", audience="vgproject", **more)


def checker(**more: Any) -> WebTokens:
    return WebTokens(settings(**more), now=lambda: NOW)


def claims(*without: str, **changes: Any) -> dict[str, Any]:
    whole = {**GOOD, "exp": int(NOW.timestamp()) + 60, **changes}
    return {name: value for name, value in whole.items() if name not in without}


def signed(key: Key, payload: dict[str, Any] | None = None, **header: Any) -> str:
    algorithm = {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}[key.key_type]
    return jwt.encode({"alg": algorithm, **header}, payload or claims(), key, algorithms=[header.get("alg", algorithm)])


def raw(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def write_jwks(path: Path, *keys: Key) -> Path:
    path.write_text(json.dumps({"keys": [key.as_dict(private=key.key_type == "oct") for key in keys]}))
    return path


@pytest.mark.parametrize("kind", ["secret", "RSA as PEM", "P-256 as PEM", "RSA of a set", "P-256 of a set"])
async def test_a_good_token_of_each_kind_says_who_it_is(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "keys"
    key = EC if kind.startswith("P") else RSA
    if kind == "secret":
        found = await checker(secret=SECRET).identify(signed(OctKey.import_key(SECRET)))
    else:
        if kind.endswith("PEM"):
            file.write_bytes(key.as_pem(private=False))
        else:
            write_jwks(file, RSA, RSA_TWO, EC)
        found = await checker(key_file=file).identify(signed(key, kid=key.kid))
    assert (found.user_id, found.role) == ("ada", "editor")
    assert found.expires_at == NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    "payload",
    [
        claims("exp"),
        claims(exp=int(NOW.timestamp()) - 31),
        claims(exp="tomorrow"),
        claims(exp=True),
        claims(exp=float("nan")),
        claims(exp=float("inf")),
        claims(nbf=int(NOW.timestamp()) + 31),
        claims("iss"),
        claims(iss="https://evil.example"),
        claims(iss=["https://id.example"]),
        claims("aud"),
        claims(aud="another"),
        claims(aud=["another"]),
        claims("sub"),
        claims(sub=""),
        claims(sub="*"),
        claims(sub="a b"),
        claims(sub="ada\0"),
        claims(sub="owner"),
        claims(sub=7),
    ],
    ids=lambda payload: json.dumps({name: payload.get(name) for name in ("exp", "iss", "aud", "sub", "nbf")}),
)
async def test_a_claim_that_is_missing_or_wrong_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(UnauthenticatedError):
        await checker(secret=SECRET).identify(signed(OctKey.import_key(SECRET), payload))


@pytest.mark.parametrize(
    ("said", "role"),
    [("owner", "owner"), (["viewer", "approver"], "approver"), ("king", "viewer"), (None, "viewer"), (7, "viewer")],
)
async def test_the_role_is_the_highest_that_is_said_and_known(said: object, role: str) -> None:
    token = signed(OctKey.import_key(SECRET), claims(role=said))
    assert (await checker(secret=SECRET).identify(token)).role == role


async def test_several_audiences_and_a_far_end_are_right(tmp_path: Path) -> None:
    payload = claims(aud=["another", "vgproject"], exp=1e300)
    found = await checker(secret=SECRET).identify(signed(OctKey.import_key(SECRET), payload))
    assert found.expires_at == datetime(9999, 12, 31, tzinfo=UTC)


def cheats() -> Iterator[tuple[str, str]]:
    good, public = signed(RSA, kid="one"), RSA.as_pem(private=False)
    header, payload, signature = good.split(".")
    yield "no signature", f"{header}.{payload}."
    yield "another signature", f"{header}.{payload}.{signature[:-8]}AAAAAAAA"
    yield "alg none", raw({"alg": "none", "kid": "one"}, claims())
    yield "alg None", raw({"alg": "None", "kid": "one"}, claims(), b"x")
    yield "no alg", raw({"kid": "one"}, claims(), b"x")
    for secret in (public, public.strip(), json.dumps(RSA.as_dict(private=False)).encode()):
        forged = raw({"alg": "HS256", "kid": "one"}, claims())[:-1]
        yield (
            "the public key as a secret",
            raw({"alg": "HS256", "kid": "one"}, claims(), hmac.digest(secret, forged.encode(), hashlib.sha256)),
        )
    yield "another algorithm of the same key", signed(RSA, kid="one", alg="RS384")
    yield "another key with this id", signed(RSAKey.generate_key(2048), kid="one")
    yield "a key of its own", signed(RSA_TWO, kid="two", jwk=RSA_TWO.as_dict(private=False))
    yield "a key that is not known", signed(RSA_TWO, kid="two")
    yield "no key named", signed(RSA)
    yield "the secret of the set", signed(OctKey.import_key(SECRET), kid="oct")
    yield "what must be understood", raw({"alg": "RS256", "kid": "one", "crit": ["x"], "x": 1}, claims(), b"x")
    yield "nothing", ".."
    yield "no JSON", "a.b.c"
    yield "a list", raw([], claims())  # type: ignore[arg-type]
    yield "letters of others", "ü.ü.ü"


@pytest.mark.parametrize("token", [pytest.param(token, id=name) for name, token in cheats()])
async def test_no_cheat_gets_in(tmp_path: Path, token: str) -> None:
    file = write_jwks(tmp_path / "keys", RSA, EC, OctKey.import_key(SECRET, {"kid": "oct"}))
    with pytest.raises(UnauthenticatedError):
        await checker(key_file=file).identify(token)


async def test_a_secret_does_not_take_other_algorithms() -> None:
    for token in (signed(RSA), raw({"alg": "none"}, claims()), signed(OctKey.import_key("another" * 9))):
        with pytest.raises(UnauthenticatedError):
            await checker(secret=SECRET).identify(token)


async def test_keys_in_a_file_are_changed_while_the_server_runs(tmp_path: Path) -> None:
    file = write_jwks(tmp_path / "keys", RSA)
    tokens = checker(key_file=file)
    new = signed(RSA_TWO, kid="two")
    with pytest.raises(UnauthenticatedError):
        await tokens.identify(new)
    write_jwks(tmp_path / "next", RSA_TWO, EC).replace(file)
    assert (await tokens.identify(new)).user_id == "ada"
    with pytest.raises(UnauthenticatedError):
        await tokens.identify(signed(RSA, kid="one"))
    for broken in ("{}", ""):
        file.write_text(broken)
        assert (await tokens.identify(new)).user_id == "ada"
    file.unlink()
    assert (await tokens.identify(new)).user_id == "ada"


class KeyServer:
    """Serves a JWKS; counts how often it was asked."""

    def __init__(self) -> None:
        self.status, self.content, self.asked = 200, b"", 0

    def show(self, *keys: Key) -> None:
        self.content = json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()

    @contextmanager
    def serve(self) -> Iterator[str]:
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.content)

            def log_message(self, *_: Any) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Answer) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/jwks"
            finally:
                server.shutdown()
                thread.join()


async def test_keys_at_a_url_are_fetched_when_needed_and_kept_when_it_is_away() -> None:
    now = 0.0
    key_server = KeyServer()
    key_server.show(RSA)
    with key_server.serve() as url:
        keys = KeyUrl(url, monotonic=lambda: now)
        for _ in range(3):
            assert await keys.find("one")
        assert key_server.asked == 1
        key_server.show(RSA_TWO)
        assert await keys.find("two") is None
        assert key_server.asked == 1
        now += RETRY_SECONDS
        assert await keys.find("two")
        assert await keys.find("one") is None
        assert key_server.asked == 2
        now += AGE_SECONDS
        key_server.status = 500
        assert await keys.find("two")
        assert key_server.asked == 3
        key_server.status, key_server.content = 200, b"x" * 1_100_000
        now += RETRY_SECONDS
        assert await keys.find("two")
        with pytest.raises(UnavailableError):
            await KeyUrl(url, monotonic=lambda: now).find("two")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "must be set"),
        ({"secret": SECRET, "jwks_url": "https://id.example/jwks"}, "one of"),
        ({"secret": "short"}, "too short"),
        ({"jwks_url": "http://id.example/jwks"}, "https"),
        ({"key_file": Path("/nowhere")}, "cannot be read"),
        ({"secret": SECRET, "audience": ""}, "audience"),
    ],
)
def test_settings_that_cannot_be_say_so_at_the_start(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        WebTokens(settings().model_copy(update=given), now=lambda: NOW)


def test_a_file_without_a_public_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for content in (
        b"no key",
        json.dumps({"keys": [OctKey.import_key(SECRET).as_dict(private=True)]}).encode(),
        ECKey.generate_key("P-384").as_pem(private=False),
    ):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match="no usable key"):
            checker(key_file=file)
