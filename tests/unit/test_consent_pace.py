"""How long an account rests, and by when all is told."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.consents.answers import Failure, Unanswered
from prefsvc.consents.pace import ITEMS_MAX, estimate, pause_seconds
from prefsvc.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400.0


@given(
    st.sampled_from(get_args(Failure)),
    st.integers(0, 10**9),
    st.one_of(st.none(), st.floats(0, 10**9)),
)
def test_a_pause_is_never_longer_than_what_may_be_asked(how, before, asked):
    pause = pause_seconds(Unanswered(how, asked), before, DAY)
    assert 0 <= pause <= (DAY if how != "refused" else 0)
    if asked is None:
        assert pause <= 60


@given(st.integers(0, 100))
def test_what_keeps_failing_is_tried_less_and_less_often(before):
    pauses = [
        pause_seconds(Unanswered("timed_out"), number, DAY) for number in (before, before + 1)
    ]
    assert pauses == sorted(pauses)
    assert 1 <= pauses[0] <= 60


@pytest.mark.parametrize(("asked", "pause"), [(None, 60), (30, 30), (0, 0), (10**6, DAY)])
def test_too_fast_is_answered_with_the_wait_that_it_asks_for(asked, pause):
    assert pause_seconds(Unanswered("slow_down", asked), 3, DAY) == pause


@given(st.integers(1, 10**7), st.floats(0.01, 10))
def test_the_estimate_is_a_request_for_every_twenty_five(count, seconds):
    found = estimate(NOW, count, seconds, None)
    requests = (found.through_at - NOW).total_seconds() / seconds
    assert count / ITEMS_MAX - 0.01 <= requests <= count / ITEMS_MAX + 1.01
    assert not found.may_miss_deadline


@given(st.integers(1, 10**6), st.timedeltas(timedelta(days=-1), timedelta(days=30)))
def test_a_deadline_is_missed_if_it_comes_before_the_end(count, left):
    found = estimate(NOW, count, 0.64, NOW + left)
    assert found.may_miss_deadline == (found.through_at > NOW + left)


def test_where_nothing_waits_there_is_no_estimate():
    assert estimate(NOW, 0, 0.64, NOW) is None


def test_a_million_take_about_seven_hours_at_the_default_pace():
    seconds = Settings().twilio_request_seconds
    through = estimate(NOW, 1_000_000, seconds, None).through_at - NOW
    assert timedelta(hours=6.5) < through < timedelta(hours=7.5)


def test_the_default_pace_stays_below_a_hundred_a_minute_even_if_one_request_hangs():
    """A minute at Twilio's end may be as much longer at ours as one request takes."""
    settings = Settings()
    window = 60 + settings.twilio_timeout_seconds
    assert window / settings.twilio_request_seconds + 1 <= 100
