"""Which network addresses an agent's request may reach."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from vgproject.tools.base import ToolFailure

Address = IPv4Address | IPv6Address
TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""An IPv6 address in one of these stands for the IPv4 address in its last bytes."""


Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


async def look_up(host: str, port: int) -> Sequence[str]:
    """Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def resolve(host: str, port: int, lookup: Lookup, *, may_be_private: bool) -> Sequence[str]:
    """The addresses of ``host``. Raises `ToolFailure` where there is none, or one that is not on the public internet."""
    try:
        addresses = await lookup(host, port)
    except (OSError, UnicodeError) as error:
        raise ToolFailure(f"The host {host!r} is not found.", code="no_such_host") from error
    if not may_be_private and not all(is_public(address) for address in addresses):
        raise ToolFailure(f"The host {host!r} is not on the public internet, so it may not be read.", code="forbidden")
    return addresses


def is_public(text: str) -> bool:
    address = _reached(ip_address(text.partition("%")[0]))
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _reached(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
    if inner is None and any(address in network for network in TRANSLATED):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address
