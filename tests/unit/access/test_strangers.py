"""Strangers are told of at once, and then in sums."""

from vgproject.access import strangers
from vgproject.access.strangers import Strangers


async def test_the_first_of_a_network_is_told_of_at_once_and_the_others_as_a_sum() -> None:
    told: list[tuple[str, str, int]] = []
    counting = Strangers(lambda *what: told.append(what))
    for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "10.0.0.1"):
        counting.count(address, "unauthenticated")
    first = [("10.0.0.1", "unauthenticated", 1), ("10.0.0.2", "unauthenticated", 1)]
    assert told == [*first, ("2001:db8::/64", "unauthenticated", 1)]
    counting.settle()
    assert told[3:] == [("10.0.0.1", "unauthenticated", 2), ("2001:db8::/64", "unauthenticated", 1)]
    counting.count("10.0.0.1", "unauthenticated")
    assert told[5:] == [("10.0.0.1", "unauthenticated", 1)]
    counting.settle()
    assert len(told) == 6


async def test_so_many_networks_that_nobody_could_keep_them_are_one() -> None:
    told: list[tuple[str, str, int]] = []
    counting = Strangers(lambda *what: told.append(what))
    for number in range(strangers.MOST + 5):
        counting.count(f"10.0.{number // 256}.{number % 256}", "unauthenticated")
    counting.settle()
    assert told[strangers.MOST :] == [("others", "unauthenticated", 1), ("others", "unauthenticated", 4)]
