"""Which hosts a boxed command may reach: the user's rules, and the addresses that no name may lead to."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

WEB_PORTS = frozenset({80, 443})
"""Of a rule that names no port."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_EMBEDDING = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that are a way to the IPv4 address in their last four bytes."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
_REFUSED = (
    ipaddress.ip_network("2002::/16"),  # Leads to the IPv4 address that is in it.
    ipaddress.ip_network("168.63.129.16/32"),  # A cloud's metadata at an address that looks public.
    ipaddress.ip_network("192.0.0.0/24"),  # Kept for protocols, and one cloud's metadata: not all Pythons know.
)


@dataclass(frozen=True)
class Rule:
    """``host`` is a name, an address, or ``*.`` and a name; ``ports`` are all where it is ``None``."""

    host: str
    ports: frozenset[int] | None

    def matches(self, host: str, port: int) -> bool:
        named = host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host
        return named and (self.ports is None or port in self.ports)


def parse_rule(text: str) -> Rule:
    """``HOST``, ``HOST:PORT`` or ``HOST:*``. Raises `ValueError` with a sentence."""
    allowed = f"{text!r} is no host: it must be NAME, *.NAME or an address, and then perhaps :PORT or :*"
    host, port = split_port(text.strip())
    wild = host.startswith("*.")
    name = normalize(host[2:] if wild else host)
    if name is None or (wild and is_address(name)) or not (port in ("", "*") or is_port(port)):
        raise ValueError(allowed)
    ports = None if port == "*" else frozenset({int(port)}) if port else WEB_PORTS
    return Rule(f"*.{name}" if wild else name, ports)


def split_port(text: str) -> tuple[str, str]:
    """Host and port, which is empty where there is none. An IPv6 address has brackets where a port follows."""
    if text.startswith("["):
        host, end, rest = text[1:].partition("]")
        return (host, rest[1:]) if end and rest[:1] in ("", ":") else ("", "")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def join_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536


def normalize(host: str) -> str | None:
    """As rules and resolvers have it; ``None`` for what is no host."""
    try:
        return str(ipaddress.ip_address(host)) if "%" not in host else None
    except ValueError:
        pass
    try:
        name = host.removesuffix(".").lower().encode("idna").decode()
    except UnicodeError:
        return None
    # Numbers at the end are an address in another spelling, which resolvers understand.
    return name if _NAME.fullmatch(name) and not re.fullmatch(r"\d+|0x[0-9a-f]*", name.rpartition(".")[2]) else None


def is_address(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdigit()


def is_public(address: Address) -> bool:
    """Whether it is out in the internet: not this machine, its network, nor what a cloud keeps for its machines."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in _EMBEDDING:
            return is_public(ipaddress.IPv4Address(address.packed[-4:]))
        if address not in _UNICAST:
            return False
    refused = any(address in network for network in _REFUSED)
    return address.is_global and not address.is_multicast and not address.is_reserved and not refused


class Hosts:
    """The rules together."""

    def __init__(self, rules: Sequence[str]) -> None:
        self._rules = [parse_rule(rule) for rule in rules]

    def allow(self, host: str, port: int) -> bool:
        return any(rule.matches(host, port) for rule in self._rules)

    def allow_address(self, host: str, address: Address, port: int) -> bool:
        """Whether an allowed ``host`` may be at ``address``.

        One that is not public must have a rule of its own, so that no name can be made to lead to it; only
        ``localhost`` says by itself where it is.
        """
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        plain = mapped or address
        local = host == "localhost" and plain.is_loopback
        return is_public(plain) or local or self.allow(str(plain), port)

    def names(self, host: str) -> bool:
        return any(rule.host == host for rule in self._rules)
