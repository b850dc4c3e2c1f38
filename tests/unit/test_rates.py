"""How much is asked in how long."""

from hypothesis import given
from hypothesis import strategies as st

from prefsvc import rates
from prefsvc.rates import Rate

ANN, BOB = b"ann", b"bob"
waits = st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=80)


@given(waits, st.integers(1, 20))
def test_nobody_is_served_more_than_twice_the_quota_in_a_window(waits, quota):
    # Once what had been saved up, and once what comes meanwhile.
    rate, now, served = Rate("key", quota), 0.0, []
    for wait in waits:
        now += wait
        if not rate.take(ANN, now).is_refused:
            served.append(now)
    for begin in served:
        within = [at for at in served if begin <= at < begin + rates.WINDOW_SECONDS]
        assert len(within) <= 2 * quota


@given(waits, st.integers(1, 20))
def test_who_waits_as_long_as_was_said_is_served(waits, quota):
    rate, now = Rate("key", quota), 0.0
    for wait in waits:
        now += wait / 20
        standing = rate.take(ANN, now)
        assert 0 <= standing.remaining <= quota
        assert standing.is_refused == (standing.next_in_seconds > 0)
        if standing.is_refused:
            now += standing.next_in_seconds
            assert not rate.take(ANN, now).is_refused


def test_what_one_asks_takes_nothing_from_another():
    rate = Rate("key", 2)
    assert [rate.take(ANN, 0).is_refused for _ in range(3)] == [False, False, True]
    assert not rate.take(BOB, 0).is_refused


def test_the_headers_say_what_is_left():
    rate = Rate("key", 60)
    standing = rate.take(ANN, 0)
    assert standing.policy_header == '"key";q=60;w=60'
    assert standing.header == '"key";r=59;t=1'


def test_memory_is_bounded_and_who_has_not_asked_for_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(rates, "BUCKETS_MAX", 3)
    rate = Rate("key", 1)
    for who in (ANN, BOB, b"cy", ANN, b"dee"):
        rate.take(who, 0)
    assert [rate.knows(who) for who in (ANN, BOB, b"cy", b"dee")] == [True, False, True, True]
