"""A client of the server: commands and events over one WebSocket, the rest over HTTP."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vgproject.cli.home import ServerAddress
from vgproject.errors import ConfigError, UnauthenticatedError, UnavailableError, VgprojectError
from vgproject.utils.ids import new_id

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
Frame = dict[str, Any]
OnLoss = Callable[[], None]
RECONNECT_SECONDS = (0.1, 0.3, 1.0, 2.0, 4.0)
PASSING_STATUS = frozenset({502, 503, 504})
"""A server that starts, or stops, and what stands before one that is away."""
FINAL_CLOSE_CODES = frozenset({4400, 4401, 4403, 4404, 4413, 4430})


class RefusedError(VgprojectError):
    """What the server answered, with its code and status."""

    def __init__(self, http_status: int, message: str, *, code: str) -> None:
        super().__init__(message, code=code)
        self.http_status = http_status


class Client:
    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
        self._tls = trust(address.tls_cert) if address.url.startswith("https:") else None

    async def command(self, session_id: str | None, **command: Any) -> Frame:
        """The ack's data. Raises `VgprojectError` with the server's code and sentence."""
        path = f"/v1/sessions/{session_id}/commands"
        return dict(await self.request("POST", path, json={"id": new_id("cmd"), **command}))

    async def send(self, **command: Any) -> Frame:
        """As `command`, over a WebSocket."""
        command_id = new_id("cmd")
        async with self._connect() as websocket:
            await websocket.send(json.dumps({"id": command_id, **command}))
            async for frames in _batches_of(websocket):
                for frame in frames:
                    if frame.get("id") == command_id and frame["type"] == "error":
                        raise VgprojectError(frame["data"]["message"], code=frame["data"]["code"])
                    if frame.get("id") == command_id:
                        return dict(frame["data"])
        raise UnavailableError("The server closed the connection before it answered.", code="no_server")

    def _connect(self) -> connect:
        url = self._address.url.replace("http", "ws", 1) + "/v1/ws"
        return connect(url, additional_headers=self._headers, max_size=None, ssl=self._tls)

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON, or its text. Raises `VgprojectError`."""
        try:
            # Without TLS there is nothing to verify, and reading the authorities takes longer than the request.
            async with httpx.AsyncClient(
                base_url=self._address.url, headers=self._headers, timeout=60, verify=self._tls or False
            ) as http:
                response = await http.request(method, path, **options)
        except httpx.TransportError as error:
            raise UnavailableError(f"The server at {self._address.url} does not answer.", code="no_server") from error
        is_json = bool(response.content) and "json" in response.headers.get("content-type", "")
        if response.is_error:
            problem = response.json() if is_json else {"detail": response.text, "code": "http_error"}
            raise RefusedError(response.status_code, problem["detail"], code=problem["code"])
        return response.json() if is_json else response.text

    async def follow(self, session_id: str, *, after: int = 0, deltas: str = "all") -> AsyncIterator[Frame]:
        """Events after ``after`` and deltas, for ever; a lost connection is made again from the last event.

        Raises `VgprojectError` with the server's code and sentence where it refuses.
        """
        async for frames in self.follow_batches(session_id, after=after, deltas=deltas):
            for frame in frames:
                yield frame

    async def follow_batches(
        self, session_id: str, *, after: int = 0, deltas: str = "all", on_loss: OnLoss | None = None
    ) -> AsyncIterator[list[Frame]]:
        """As `follow`, what came together together. With ``on_loss``, which is told of each connection that is lost or
        cannot be made, it never gives up."""
        subscribe = {"type": "subscribe", "session_id": session_id, "after": after, "deltas": deltas}
        async for frames in self._follow(subscribe, _event_cursor, on_loss):
            yield frames

    async def follow_memory(self, **which: Any) -> AsyncIterator[Frame]:
        """The state of a memory, then its changes, for ever, as `follow`."""
        async for frames in self._follow({"type": "subscribe_memory", **which}, _memory_cursor):
            for frame in frames:
                yield frame

    async def _follow(
        self, subscribe: Frame, cursor: Callable[[Frame], Frame], on_loss: OnLoss | None = None
    ) -> AsyncIterator[list[Frame]]:
        """``cursor``: what the command that takes up the thread after a frame has of it."""
        failures = 0
        while True:
            try:
                async for frames in self._frames(subscribe):
                    for frame in frames:
                        subscribe = {**subscribe, **cursor(frame)}
                    failures = 0
                    yield frames
            except InvalidStatus as error:
                if error.response.status_code not in PASSING_STATUS:
                    raise UnauthenticatedError(f"The server refused the connection: {error}") from error
                await self._wait(failures, error, on_loss)
            except (ConnectionClosed, OSError) as error:
                if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code in FINAL_CLOSE_CODES:
                    raise VgprojectError(error.rcvd.reason, code="connection_closed") from error
                await self._wait(failures, error, on_loss)
            failures += 1

    async def _wait(self, failures: int, error: Exception, on_loss: OnLoss | None) -> None:
        """Raises `UnavailableError` where it was tried often enough, and nobody is told who could wait longer."""
        if on_loss is None and failures == len(RECONNECT_SECONDS):
            raise UnavailableError("The server is gone.", code="no_server") from error
        if on_loss is not None:
            on_loss()
        await asyncio.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])
        self._address = self._address.found_again()

    async def _frames(self, subscribe: Frame) -> AsyncIterator[list[Frame]]:
        async with self._connect() as websocket:
            await websocket.send(json.dumps(subscribe))
            async for frames in _batches_of(websocket):
                for frame in frames:
                    if frame["type"] == "error" and "seq" not in frame:
                        raise VgprojectError(frame["data"]["message"], code=frame["data"]["code"])
                yield frames
        raise ConnectionClosed(None, None)


def _event_cursor(frame: Frame) -> Frame:
    return {"after": frame["seq"], "epoch": frame["epoch"]} if "seq" in frame else {}


def _memory_cursor(frame: Frame) -> Frame:
    """A state counts when it is whole."""
    if "change" in frame or (frame["type"] == "memory_snapshot" and not frame["more"]):
        return {"after": frame["memory_seq"], "epoch": frame["epoch"]}
    return {}


def trust(certificate: Path | None) -> ssl.SSLContext:
    """The authorities of this system; with a ``certificate`` that one alone, whatever names it has.

    Raises `ConfigError`.
    """
    context = ssl.create_default_context()
    if certificate is None:
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        text = certificate.read_text()
        context.load_verify_locations(cadata=text[text.index(BEGIN) : text.index(END) + len(END)])
    except (OSError, ValueError) as error:
        raise ConfigError(f"The certificate {certificate} cannot be read: {error}.") from error
    return context


async def _batches_of(websocket: ClientConnection) -> AsyncIterator[list[Frame]]:
    async for message in websocket:
        received = orjson.loads(message)
        yield received if isinstance(received, list) else [received]
