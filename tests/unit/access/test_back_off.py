"""How long who sends wrong tokens waits, with the time in the test's hand."""

import pytest

from vgproject.access.back_off import FORGET_SECONDS, LONGEST_SECONDS, MOST, BackOff
from vgproject.errors import RateLimitedError

HERE = "192.0.2.1"


class Guesser:
    def __init__(self, free: int = 2) -> None:
        self.now = 0.0
        self.back_off = BackOff(free, monotonic=lambda: self.now)

    def waits(self, address: str = HERE, token: str = "wrong") -> float:
        try:
            self.back_off.expect_patience(address, token)
        except RateLimitedError as error:
            return round(float(error.details["retry_after_ms"]) / 1000, 2)
        return 0.0

    def guess(self, address: str = HERE, token: str = "wrong") -> float:
        """How long the address waits after one more."""
        self.now += self.waits(address)
        self.back_off.note_wrong(address, token)
        return self.waits(address)


def test_each_wrong_token_doubles_the_wait_up_to_a_minute() -> None:
    guesser = Guesser()
    assert [guesser.guess() for _ in range(10)] == [0, 0, 2, 4, 8, 16, 32, 60, 60, 60]
    assert guesser.waits() == LONGEST_SECONDS
    guesser.now += 59
    assert guesser.waits() == 1


def test_an_address_that_is_quiet_begins_anew() -> None:
    guesser = Guesser()
    for _ in range(5):
        guesser.guess()
    guesser.now += FORGET_SECONDS + 1
    assert guesser.guess() == 0


@pytest.mark.parametrize("other", ["192.0.2.2", "2001:db8::1", ""])
def test_other_addresses_do_not_wait(other: str) -> None:
    guesser = Guesser()
    for _ in range(5):
        guesser.guess()
    assert guesser.waits(other) == 0


def test_addresses_of_one_ipv6_network_are_one() -> None:
    guesser = Guesser(free=0)
    assert guesser.guess("2001:db8::1") == 2
    assert guesser.waits("2001:db8::ffff") == 2
    assert guesser.waits("2001:db8:0:1::1") == 0


def test_a_token_that_was_right_does_not_wait_until_it_is_wrong() -> None:
    guesser = Guesser(free=0)
    guesser.back_off.note_right("good")
    guesser.guess()
    assert (guesser.waits(token="good"), guesser.waits(token="bad")) == (0, 2)
    guesser.guess(token="good")
    assert guesser.waits(token="good") > 0


def test_what_is_remembered_has_a_bound() -> None:
    guesser = Guesser(free=0)
    for number in range(MOST + 1):
        guesser.back_off.note_wrong(f"host {number}", "wrong")
    assert guesser.waits("host 0") == 0
    assert guesser.waits("host 1") > 0
