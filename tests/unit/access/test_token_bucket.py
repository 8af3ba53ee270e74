"""What a bucket gives in any time, with the time in the test's hand."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from vgproject.access.allowances import Buckets
from vgproject.access.token_bucket import Rate, TokenBucket

COSTS = st.sampled_from([0.1, 1.0])
TAKES = st.lists(st.tuples(st.floats(0, 10), COSTS), max_size=60)
"""How long after the one before, and how much."""
RATES = st.builds(Rate, st.floats(0.01, 100), st.integers(1, 50))


def given_out(rate: Rate, takes: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """When and how much the bucket gave."""
    bucket = TokenBucket(rate, 0.0)
    moments = accumulate(pause for pause, _ in takes)
    return [(now, cost) for now, (_, cost) in zip(moments, takes, strict=True) if not bucket.take(now, cost)]


@given(RATES, TAKES)
def test_no_window_gives_more_than_the_burst_and_what_flows_in_meanwhile(
    rate: Rate, takes: list[tuple[float, float]]
) -> None:
    given_ = given_out(rate, takes)
    for first, (start, _) in enumerate(given_):
        total = 0.0
        for now, cost in given_[first:]:
            total += cost
            assert total <= rate.burst + rate.per_second * (now - start) + 1e-6


@given(RATES, TAKES, COSTS)
def test_who_waits_as_long_as_is_said_is_given_and_who_waits_less_is_not(
    rate: Rate, takes: list[tuple[float, float]], cost: float
) -> None:
    bucket, now = TokenBucket(rate, 0.0), 0.0
    for pause, taken in takes:
        now += pause
        bucket.take(now, taken)
    while not (wait := bucket.take(now, cost)):
        pass
    if wait > 1e-6:
        assert bucket.take(now + wait * 0.9, cost) > 0
    assert bucket.take(now + wait + 1e-6, cost) == 0


@given(RATES, st.lists(st.tuples(st.floats(0, 10), st.sampled_from("abcdef")), max_size=80), st.integers(1, 6))
def test_whoever_is_forgotten_nobody_gets_more_where_there_is_room_and_memory_has_a_bound(
    rate: Rate, takes: list[tuple[float, str]], most: int
) -> None:
    now = 0.0
    few, all_ = Buckets(rate, lambda: now, most=most), Buckets(rate, lambda: now)
    for pause, who in takes:
        now += pause
        gave, would = few.take(who), all_.take(who)
        assert len(few) <= most
        if most == 6:
            assert gave == would


def test_users_that_are_idle_take_no_memory() -> None:
    now = 0.0
    buckets = Buckets(Rate(1, 2), lambda: now)
    for number in range(100):
        buckets.take(f"user {number}")
    assert len(buckets) == 100
    now = 10.0
    buckets.take("another")
    assert len(buckets) == 1
