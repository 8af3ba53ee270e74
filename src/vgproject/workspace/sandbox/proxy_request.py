"""What a client asks of a forward proxy, read from the head of its request."""

import re
from dataclasses import dataclass

from vgproject.workspace.sandbox.hosts import is_port, join_port, normalize, split_port

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[^\x00-\x08\x0a-\x1f\x7f]*")
_TARGET = re.compile(r"[\x21-\x7e]+")
_URL = re.compile(r"(?i:http)://([^/?#@]+)((?:[/?][^#]*)?)(?:#.*)?")
_OF_THIS_CONNECTION = ("connection", "host", "keep-alive", "proxy-authorization", "proxy-connection")


class BadRequestError(ValueError):
    """Says in a sentence what a proxy does not understand."""


@dataclass(frozen=True)
class ProxyRequest:
    """Where to, and the bytes to begin with there: none where a tunnel is asked for."""

    host: str
    port: int
    head: bytes = b""


def parse_request(head: bytes) -> ProxyRequest:
    """``head`` ends with an empty line. Raises `BadRequestError`."""
    first, *headers = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1") or not _TARGET.fullmatch(words[1]):
        raise BadRequestError("This is no request of HTTP/1.1.")
    method, target, version = words
    if method == "CONNECT":
        return ProxyRequest(*_read_authority(target, default_port=""))
    url = _URL.fullmatch(target)
    if not url or not method.isalpha():
        raise BadRequestError("A proxy is asked with CONNECT HOST:PORT or with a whole http:// URL.")
    host, port = _read_authority(url[1], default_port="80")
    path = url[2] if url[2].startswith("/") else f"/{url[2]}"
    lines = [f"{method} {path} {version}", f"Host: {host if port == 80 else join_port(host, port)}"]
    lines += [*_headers_to_pass(headers), "Connection: close", "", ""]
    return ProxyRequest(host, port, "\r\n".join(lines).encode("latin-1"))


def _read_authority(text: str, *, default_port: str) -> tuple[str, int]:
    host, port = split_port(text)
    name = normalize(host)
    if name is None or not is_port(port or default_port):
        raise BadRequestError("The request names no host and port that could be reached.")
    return name, int(port or default_port)


def _headers_to_pass(headers: list[str]) -> list[str]:
    """All but what is for the proxy; one connection is for one request, so that each is judged."""
    passed = []
    for line in headers:
        match = _HEADER.fullmatch(line)
        if not match:
            raise BadRequestError("A header of the request is malformed.")
        if match[1].lower() not in _OF_THIS_CONNECTION:
            passed.append(line)
    return passed
