"""A WebSocket client that costs little: thousands of them fit into one process beside the server they watch."""

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

HANDSHAKE = (
    "GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)
TEXT, CLOSE, PING = 1, 8, 9


class RawConnection(asyncio.Protocol):
    """Calls ``on_text`` with each text frame, and ``on_end`` once, with the server's close code or 1006."""

    def __init__(
        self, host: str, token: str | None, on_text: Callable[[bytes], None], on_end: Callable[[int], None]
    ) -> None:
        headers = f"Authorization: Bearer {token}\r\n" if token else ""
        self._request = HANDSHAKE.format(host=host, headers=headers).encode()
        self._on_text = on_text
        self._on_end = on_end
        self._unparsed = b""
        self._close_code = 1006
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class.
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._unparsed:
            data = self._unparsed + data
        if not self.opened.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._unparsed = head
                return
            self._open(head)
        self._unparsed = self._take_frames(data)

    def _open(self, head: bytes) -> None:
        if head.startswith(b"HTTP/1.1 101 "):
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(f"The handshake was answered {head[:80]!r}."))
            self.transport.abort()

    def _take_frames(self, data: bytes) -> bytes:
        """What is left: the beginning of a frame."""
        at, size = 0, len(data)
        while size - at >= 2:
            length, begin = data[at + 1], at + 2
            if length > 125:
                begin += 2 if length == 126 else 8
                if size < begin:
                    break
                length = int.from_bytes(data[at + 2 : begin])
            if size < begin + length:
                break
            self._take_frame(data[at], data[begin : begin + length])
            at = begin + length
        return data[at:]

    def _take_frame(self, first: int, payload: bytes) -> None:
        match first & 0x0F:
            case 1 if first & 0x80:
                self._on_text(payload)
            case 8:
                self._close_code = int.from_bytes(payload[:2]) if payload else 1005
                self._write(CLOSE, payload[:2])
                self.transport.close()
            case 9:
                self._write(10, payload)
            case opcode:
                raise AssertionError(f"The server sent a frame of the kind {opcode}, first byte {first}.")

    def send(self, text: bytes) -> None:
        self._write(TEXT, text)

    def _write(self, opcode: int, payload: bytes) -> None:
        """Masked by zeros: it is this machine that speaks to itself."""
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2)
        self.transport.write(bytes((0x80 | opcode,)) + length + b"\0\0\0\0" + payload)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("The connection ended in the handshake."))
            self.opened.exception()  # Who does not wait any more need not hear of it.
        self._on_end(self._close_code)


async def open_connection(
    url: str,
    token: str | None,
    on_text: Callable[[bytes], None],
    on_end: Callable[[int], None] = lambda code: None,
) -> RawConnection:
    """``url`` is the server's, as HTTP. Raises `OSError`."""
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: RawConnection(place.netloc, token, on_text, on_end), place.hostname, place.port
    )
    await connection.opened
    return connection
