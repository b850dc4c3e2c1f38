from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.retries import asked_seconds, wait_seconds
from prefsvc.settings import Settings

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SETTINGS = Settings()
EXACT = Settings(delivery_jitter_percent=0)


def test_the_schedule_is_that_of_standard_webhooks():
    hours = 3600
    waits = [wait_seconds(EXACT, attempts, None) for attempts in range(1, 11)]
    assert waits == [
        5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None
    ]  # fmt: skip


@given(st.integers(1, 9))
def test_waits_differ_by_chance_and_not_by_much(attempts):
    planned = SETTINGS.delivery_schedule_seconds[attempts - 1]
    waits = [wait_seconds(SETTINGS, attempts, None) for _ in range(20)]
    assert len(set(waits)) > 1
    assert all(planned * 0.9 <= wait <= planned * 1.1 for wait in waits)


@pytest.mark.parametrize(("asked", "wait"), [(1, 5), (60, 60), (10**9, 86400), (0, 5)])
def test_what_a_receiver_asks_for_counts_if_it_is_longer_within_a_limit(asked, wait):
    assert wait_seconds(EXACT, 1, asked) == wait


def test_no_wait_is_asked_for_after_the_last_attempt():
    assert wait_seconds(EXACT, 10, 60) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("120", 120),
        (" 7 ", 7), ("9" * 30, 999_999_999), ("٣", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Mon, 02 Mar 2026 09:01:00 -0000", 60),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 02 Mar 2026 09:01:00 +99999999999999", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(header, seconds):
    assert asked_seconds(header, NOW) == seconds


@given(st.text())
def test_whatever_a_receiver_says_is_read_or_passed_over(text):
    asked = asked_seconds(text, NOW)
    assert asked is None or asked >= 0


def test_a_schedule_of_ones_own_is_read_from_its_setting(monkeypatch):
    monkeypatch.setenv("PREFSVC_DELIVERY_SCHEDULE_SECONDS", "1, 2.5,60")
    assert Settings().delivery_schedule_seconds == (1, 2.5, 60)
