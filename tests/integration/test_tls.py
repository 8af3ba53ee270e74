"""The server over TLS, with a certificate that no authority knows."""

import json
import ssl
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from live_server import HEADERS, TOKEN, open_server, running_server
from vgproject.cli.client import Client, trust
from vgproject.cli.home import ServerAddress, find_server
from vgproject.config import Config
from vgproject.enhanced_server import check_tls
from vgproject.errors import ConfigError, UnavailableError
from vgproject.utils.clock import utc_now


def make_certificate(directory: Path, *, password: bytes | None = None) -> tuple[Path, Path]:
    """For a name that the tests do not use, and its key."""
    directory.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(minutes=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    certificate, key_file = directory / "cert.pem", directory / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return certificate, key_file


async def test_a_task_is_given_and_followed_over_tls_by_who_knows_the_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path / "tls")
    async with running_server(tmp_path, tls_cert=certificate, tls_key=key) as url:
        assert url.startswith("https://127.0.0.1:")
        found = find_server(tmp_path / "home")
        assert (found.url, found.tls_cert) == (url, certificate)
        client = Client(found)
        session_id = (await client.request("POST", "/v1/sessions", json={}))["session_id"]
        await client.command(session_id, type="task", content="Mend it")
        types = []
        async for frame in client.follow(session_id):
            types.append(frame["type"])
            if frame["type"] == "task_completed":
                break
        assert "text_delta" in types
        another, _ = make_certificate(tmp_path / "another")
        for wrong in (None, another):
            with pytest.raises(UnavailableError):
                await Client(ServerAddress(url, TOKEN, wrong)).request("GET", "/v1/sessions")
        async with httpx.AsyncClient() as plain:
            with pytest.raises(httpx.TransportError):
                await plain.get(url.replace("https", "http"), headers=HEADERS)


async def test_the_cookie_over_tls_is_never_sent_without(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path / "tls")
    async with (
        open_server(tmp_path, tls_cert=certificate, tls_key=key) as (url, server),
        httpx.AsyncClient(base_url=url, verify=trust(certificate)) as browser,
    ):
        assert server.authenticator
        signed_in = await browser.get("/sign-in", params={"code": server.authenticator.new_code()})
        assert "secure" in signed_in.headers["set-cookie"].lower().split("; ")
        assert (await browser.get("/v1/sessions")).status_code == 200
        assert json.loads((tmp_path / "home" / "server.json").read_text())["tls_cert"] == str(certificate)


def test_tls_that_cannot_be_spoken_is_said_at_the_start(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path / "tls")
    _, another_key = make_certificate(tmp_path / "another")
    _, locked_key = make_certificate(tmp_path / "locked", password=b"secret")
    for given, words in (
        ({"tls_cert": certificate}, "both"),
        ({"tls_key": key}, "both"),
        ({"tls_cert": certificate, "tls_key": another_key}, "cannot be used"),
        ({"tls_cert": certificate, "tls_key": locked_key}, "has a password"),
        ({"tls_cert": tmp_path / "none", "tls_key": key}, "No such file"),
        ({"tls_cert": key, "tls_key": certificate}, "cannot be used"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_tls(Config(**given))
    check_tls(Config(tls_cert=certificate, tls_key=key))
    with pytest.raises(ConfigError, match="cannot be read"):
        trust(key)
    assert trust(None).verify_mode is ssl.CERT_REQUIRED
