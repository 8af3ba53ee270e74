"""Which hosts a rule names, and which addresses no name may lead to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgproject.workspace.sandbox.hosts import Hosts, is_public, normalize, parse_rule


@pytest.mark.parametrize(
    ("rule", "host", "port", "allowed"),
    [
        ("packages.example", "packages.example", 443, True),
        ("packages.example", "packages.example", 80, True),
        ("Packages.Example.", "packages.example", 443, True),
        ("packages.example", "packages.example", 22, False),
        ("packages.example", "evil-packages.example", 443, False),
        ("packages.example", "packages.example.evil.example", 443, False),
        ("packages.example", "files.packages.example", 443, False),
        ("*.example.org", "a.example.org", 443, True),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("localhost:5432", "localhost", 5432, True),
        ("localhost:5432", "localhost", 443, False),
        ("db.example:*", "db.example", 1, True),
        ("[::1]:8080", "::1", 8080, True),
        ("::1", "::1", 80, True),
        ("10.0.0.5", "10.0.0.5", 80, True),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
    ],
)
def test_a_rule_names_hosts_and_ports(rule: str, host: str, port: int, *, allowed: bool) -> None:
    assert Hosts([rule]).allow(host, port) is allowed


@pytest.mark.parametrize(
    "text",
    ["", "*", "*.", "a b", "http://packages.example", "packages.example/x", "packages.example:0", "packages.example:65536", "packages.example:x", "a*.example",
     "*.10.0.0.1", "fe80::1%eth0", "2130706433", "0x7f000001", "127.1", "a..b", "user@host", "[::1", "[::1]x"],
)  # fmt: skip
def test_what_is_no_host_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        parse_rule(text)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
     "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.0.192", "240.0.0.1", "::", "::1", "fe80::1", "fd00:ec2::254",
     "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
     "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1"],
)  # fmt: skip
def test_an_address_that_is_not_of_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "151.101.0.223", "2606:4700::1111", "64:ff9b::101:101"])
def test_one_of_the_internet_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_an_address_inside_needs_a_rule_of_its_own() -> None:
    inside = ipaddress.ip_address("10.0.0.5")
    assert not Hosts(["*.example.org", "db.example.org"]).allow_address("db.example.org", inside, 443)
    assert Hosts(["db.example.org", "10.0.0.5"]).allow_address("db.example.org", inside, 443)
    assert not Hosts(["db.example.org", "10.0.0.5"]).allow_address("db.example.org", inside, 22)
    assert Hosts(["db.example.org", "10.0.0.5"]).allow_address(
        "db.example.org", ipaddress.ip_address("::ffff:10.0.0.5"), 443
    )


def test_localhost_is_at_home_and_nowhere_else() -> None:
    hosts = Hosts(["localhost"])
    assert hosts.allow_address("localhost", ipaddress.ip_address("127.0.0.1"), 80)
    assert hosts.allow_address("localhost", ipaddress.ip_address("::1"), 80)
    assert not hosts.allow_address("localhost", ipaddress.ip_address("10.0.0.5"), 80)
    assert not hosts.allow_address("other", ipaddress.ip_address("127.0.0.1"), 80)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_the_same_in_each_of_its_ipv6_forms(number: int) -> None:
    plain = ipaddress.IPv4Address(number)
    assert is_public(ipaddress.IPv6Address(f"::ffff:{plain}")) is is_public(plain)
    assert is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + number)) is is_public(plain)


@given(st.text(max_size=40))
def test_a_host_is_one_way_of_writing_it_or_none(text: str) -> None:
    host = normalize(text)
    if host is not None:
        assert normalize(host) == host
        assert host == host.lower()
        assert not set(host) & set(" \r\n\t/@?#%*")
