"""The only way out of a box that may reach some hosts: a forward proxy for one command, in the server."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from vgproject.workspace.sandbox.hosts import WEB_PORTS, Address, Hosts, join_port
from vgproject.workspace.sandbox.proxy_request import BadRequestError, parse_request

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolve = Callable[[str, int], list[Address]]
"""Blocks; raises `OSError` for a name that is not known."""

CONNECTIONS = 64
"""At a time. More wait until one has ended."""
HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
HEAD_SECONDS = 20
CONNECT_SECONDS = 10
IDLE_SECONDS = 300
RESOLVERS = 2
"""Threads of its own, so that slow names hold up nothing else of the server."""
MOST_ADDRESSES = 4
SPENT = "The command has sent and received as many bytes as sandbox_limits.network_bytes allows."

logger = logging.getLogger(__name__)


class RefusalError(Exception):
    """An answer instead of the host's. ``told``: the user is to know of it."""

    def __init__(self, status: str, sentence: str, *, told: bool = False) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.told = told


def resolve_name(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


class Proxy:
    """``tell`` is given a sentence for each host that is refused."""

    def __init__(
        self, hosts: Hosts, most_bytes: int, tell: Callable[[str], None], resolve: Resolve = resolve_name
    ) -> None:
        self._hosts = hosts
        self._bytes_left = most_bytes
        self._tell = tell
        self._resolve = resolve
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._resolvers = ThreadPoolExecutor(RESOLVERS, "resolve")

    async def serve(self, listener: socket.socket) -> None:
        """Until it is cancelled; then no connection is left."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._slots.acquire()
                    group.create_task(self._attend(await _accept(listener)))
        finally:
            self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def _attend(self, client: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=client, limit=HEAD_BYTES)
            async with _closing(writer):
                await self._answer(reader, writer)
        except (OSError, EOFError, TimeoutError):
            return  # The other side has gone, or says nothing more.
        except Exception:
            logger.exception("The proxy failed over a request.")
        finally:
            self._slots.release()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head, (far_reader, far_writer) = await self._begin(reader)
        except RefusalError as refusal:
            if refusal.told:
                self._tell(refusal.sentence)
            writer.write(_refusal_response(refusal))
            await writer.drain()
            return
        async with _closing(far_writer):
            if head:
                far_writer.write(head)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._pass_both(reader, writer, far_reader, far_writer)

    async def _begin(self, reader: asyncio.StreamReader) -> tuple[bytes, Streams]:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                request = parse_request(await reader.readuntil(b"\r\n\r\n"))
        except TimeoutError as error:
            raise RefusalError("408 Request Timeout", "The request did not come in time.") from error
        except asyncio.LimitOverrunError as error:
            raise RefusalError("431 Request Header Fields Too Large", "The request's head is too long.") from error
        except BadRequestError as error:
            raise RefusalError("400 Bad Request", str(error)) from error
        if self._bytes_left <= 0:
            raise RefusalError("403 Forbidden", SPENT, told=True)
        return request.head, await self._connect(request.host, request.port)

    async def _connect(self, host: str, port: int) -> Streams:
        """To an address that was looked at: the name is not resolved again."""
        if not self._hosts.allow(host, port):
            raise RefusalError(
                "403 Forbidden",
                f"{join_port(host, port)} is not among the allowed hosts. {_way(host, port)}",
                told=True,
            )
        found = await self._find(host, port)
        allowed = [address for address in found if self._hosts.allow_address(host, address, port)]
        if not allowed:
            sentence = f"{host} leads to {found[0]}, which is no public address. {_way(str(found[0]), port)}"
            raise RefusalError("403 Forbidden", sentence, told=True)
        for address in allowed[:MOST_ADDRESSES]:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(str(address), port)
        raise RefusalError("502 Bad Gateway", f"{join_port(host, port)} does not answer.")

    async def _find(self, host: str, port: int) -> list[Address]:
        resolving = asyncio.get_running_loop().run_in_executor(self._resolvers, self._resolve, host, port)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await resolving
        except (OSError, TimeoutError, UnicodeError):
            found = []
        if not found:
            raise RefusalError("502 Bad Gateway", f"The name {host} is not known.")
        return found

    async def _pass_both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        """Until the host has said all."""
        async with asyncio.timeout(IDLE_SECONDS) as idle:
            sending = asyncio.create_task(self._pass(reader, far_writer, idle))
            try:
                await self._pass(far_reader, writer, idle)
            finally:
                sending.cancel()
                await asyncio.wait({sending})
                if not sending.cancelled():
                    sending.exception()  # The host's side tells of it too.

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: asyncio.Timeout) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            self._bytes_left -= len(chunk)
            if self._bytes_left < 0:
                self._tell(SPENT)
                writer.transport.abort()
                return
            writer.write(chunk)
            await writer.drain()
            idle.reschedule(asyncio.get_running_loop().time() + IDLE_SECONDS)
        if writer.can_write_eof():
            writer.write_eof()


class _closing:  # noqa: N801  (as contextlib's)
    """Closes a stream when all is written, and at once where something went wrong."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._writer.close()
                async with asyncio.timeout(HEAD_SECONDS):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()


async def _accept(listener: socket.socket) -> socket.socket:
    while True:
        try:
            return (await asyncio.get_running_loop().sock_accept(listener))[0]
        except OSError:
            await asyncio.sleep(0.1)  # The server has no descriptor left for it, or it has gone already.


def _refusal_response(refusal: RefusalError) -> bytes:
    body = f"{refusal.sentence}\n".encode()
    lines = [
        f"HTTP/1.1 {refusal.status}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _way(host: str, port: int) -> str:
    rule = host if port in WEB_PORTS else join_port(host, port)
    return (
        f'To allow it, add "{rule}" to allowed_hosts below [sandbox_limits] in the user\'s own configuration file,'
        f" or start with --allow-host {rule}."
    )
