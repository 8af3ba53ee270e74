"""The head of a request to a forward proxy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgproject.workspace.sandbox.proxy_request import BadRequestError, ProxyRequest, parse_request


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [("Example.org:443", "example.org", 443), ("[::1]:80", "::1", 80), ("10.0.0.1:8080", "10.0.0.1", 8080)],
)
def test_a_tunnel_is_to_a_host_and_a_port(target: str, host: str, port: int) -> None:
    assert parse_request(head(f"CONNECT {target} HTTP/1.1", "Host: other:1")) == ProxyRequest(host, port)


def test_a_plain_request_is_passed_on_in_the_hosts_own_form_with_the_host_that_was_judged() -> None:
    request = parse_request(
        head(
            "GET http://example.org:8080/a?b=c#d HTTP/1.1",
            "Host: inner.example",
            "Accept: */*",
            "Proxy-Authorization: Basic c2VjcmV0",
            "Proxy-Connection: keep-alive",
            "Connection: keep-alive",
        )
    )
    assert (request.host, request.port) == ("example.org", 8080)
    assert request.head == head("GET /a?b=c HTTP/1.1", "Host: example.org:8080", "Accept: */*", "Connection: close")


@pytest.mark.parametrize(("url", "path"), [("http://a.example", "/"), ("HTTP://a.example?x", "/?x")])
def test_a_url_without_a_path_has_the_root(url: str, path: str) -> None:
    assert parse_request(head(f"GET {url} HTTP/1.1")).head.startswith(
        f"GET {path} HTTP/1.1\r\nHost: a.example\r".encode()
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1", "Host: example.org"],
        ["GET https://example.org/ HTTP/1.1"],
        ["GET http://user@example.org/ HTTP/1.1"],
        ["GET http://a.example@b.example/ HTTP/1.1"],
        ["GET http:///x HTTP/1.1"],
        ["GET http://a.example:99999/ HTTP/1.1"],
        ["GET http://127.1/ HTTP/1.1"],
        ["GET http://2130706433/ HTTP/1.1"],
        ["CONNECT example.org HTTP/1.1"],
        ["CONNECT example.org:22:443 HTTP/1.1"],
        ["CONNECT :443 HTTP/1.1"],
        ["CONNECT fe80::1%25eth0:443 HTTP/1.1"],
        ["GET http://a.example/ HTTP/2"],
        ["GET  http://a.example/ HTTP/1.1"],
        ["G\nT http://a.example/ HTTP/1.1"],
        ["GET http://a.example/ HTTP/1.1", "no header"],
        ["GET http://a.example/ HTTP/1.1", "A: b", " folded"],
        ["GET http://a.example/ HTTP/1.1", "A: b\nHost: c"],
        ["GET http://a.example/ HTTP/1.1", "Host : c"],
        [""],
    ],
)
def test_what_two_readers_could_read_differently_is_refused(lines: list[str]) -> None:
    with pytest.raises(BadRequestError):
        parse_request(head(*lines))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(content: bytes) -> None:
    try:
        request = parse_request(content + b"\r\n\r\n")
    except BadRequestError:
        return
    assert 0 < request.port < 65536
