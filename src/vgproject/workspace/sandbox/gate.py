"""Starts a command in a box, with a way out to the allowed hosts where there are any."""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from vgproject.workspace.sandbox import listener
from vgproject.workspace.sandbox.base import Launch, Place, Sandbox, SandboxSettings
from vgproject.workspace.sandbox.hosts import LOOPBACK_NAMES, Hosts
from vgproject.workspace.sandbox.proxy import Proxy, Resolve, resolve_name

PORT = 3128
"""Inside, where nobody else is."""
MOST_SENTENCES = 20

logger = logging.getLogger(__name__)


@dataclass
class Opening:
    """A command that can be started, and in ``refusals`` a sentence for each host that it was refused so far."""

    launch: Launch
    refusals: list[str] = field(default_factory=list)

    def tell(self, sentence: str) -> None:
        if sentence not in self.refusals and len(self.refusals) < MOST_SENTENCES:
            self.refusals.append(sentence)


@asynccontextmanager
async def open_box(
    sandbox: Sandbox, argv: tuple[str, ...], place: Place, settings: SandboxSettings, resolve: Resolve = resolve_name
) -> AsyncIterator[Opening]:
    """At the end of the block every connection is closed."""
    if not settings.allowed_hosts:
        with sandbox.launch(argv, place) as launch:
            yield Opening(launch)
        return
    hosts = Hosts(settings.allowed_hosts)
    ours, theirs = socket.socketpair()
    with ours, theirs, sandbox.launch(_listen_first(theirs.fileno(), argv), _with_interpreter(place)) as launch:
        descriptors = (*launch.descriptors, theirs.fileno())
        environment = {**launch.environment, **proxy_variables(hosts)}
        opening = Opening(replace(launch, descriptors=descriptors, environment=environment))
        proxy = Proxy(hosts, settings.network_bytes, opening.tell, resolve)
        serving = asyncio.create_task(_serve(proxy, ours), name="proxy of a command")
        try:
            yield opening
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            if not serving.cancelled() and (error := serving.exception()):
                logger.error("The proxy of a command failed.", exc_info=error)


async def _serve(proxy: Proxy, channel: socket.socket) -> None:
    channel.setblocking(False)
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(channel, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(channel)
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1, socket.MSG_CMSG_CLOEXEC)
    for descriptor in descriptors:
        with socket.socket(fileno=descriptor) as listening:
            listening.setblocking(False)
            await proxy.serve(listening)


def _listen_first(channel: int, argv: tuple[str, ...]) -> tuple[str, ...]:
    interpreter = str(Path(sys.executable).resolve())
    return (interpreter, "-I", "-S", "-c", Path(listener.__file__).read_text(), str(channel), str(PORT), *argv)


def _with_interpreter(place: Place) -> Place:
    """The server's own may lie where a box sees nothing."""
    base = Path(sys.base_prefix).resolve()
    return place if base.is_relative_to("/usr") else replace(place, readable=(*place.readable, base))


def proxy_variables(hosts: Hosts) -> dict[str, str]:
    """In both spellings, as programs differ. What listens in the box itself is reached directly."""
    url = f"http://127.0.0.1:{PORT}"
    variables = {f"{kind}_PROXY": url for kind in ("HTTP", "HTTPS", "ALL")}
    variables["NO_PROXY"] = ",".join(name for name in LOOPBACK_NAMES if not hosts.names(name))
    return variables | {name.lower(): value for name, value in variables.items()}
