"""A WebSocket text frame as a server sends it: the same bytes for all, so it is made once."""

from collections.abc import Iterable, Iterator, Sequence

TEXT = 0x81
"""The whole of a text: nothing of it follows in another frame."""


class TextFrame:
    """``payload`` is what the client reads, ``wire`` what is written to its socket: unmasked, as RFC 6455 asks."""

    __slots__ = ("payload", "wire")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.wire = _head(len(payload)) + payload


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((TEXT, size))
    if size < 1 << 16:
        return bytes((TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((TEXT, 127)) + size.to_bytes(8, "big")


def join(payloads: Sequence[bytes]) -> bytes:
    """One frame's payload of several objects: a JSON array of them."""
    return payloads[0] if len(payloads) == 1 else b"[" + b",".join(payloads) + b"]"


def pages(payloads: Iterable[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    """As many together as fit into a frame, and a larger one alone; each is made when it is asked for."""
    page: list[bytes] = []
    size = 0
    for payload in payloads:
        if page and size + len(payload) > max_bytes:
            yield page
            page, size = [], 0
        page.append(payload)
        size += len(payload) + 1
    if page:
        yield page


def pack(payloads: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    """`join` of `pages`."""
    return map(join, pages(payloads, max_bytes))
