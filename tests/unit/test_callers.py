import pytest

from prefsvc.api_keys import Caller
from prefsvc.callers import Callers

KEY, OTHER = "psk_000000000001_a", "psk_000000000002_b"
CALLER = Caller("000000000001", "operator", 1, None, None, None, "")


class Ticks:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def callers(ticks):
    return Callers(trusted_seconds=1, kept_max=3, clock=ticks)


def test_a_key_is_believed_for_a_moment_and_remembered_for_longer(callers, ticks):
    callers.note(KEY, CALLER, asked_at=ticks.at)
    ticks.at += 0.9
    assert callers.trusted(KEY) == CALLER
    ticks.at += 0.1
    assert callers.trusted(KEY) is None
    recent = callers.recent(KEY)
    assert recent.caller == CALLER
    assert recent.age_seconds == pytest.approx(1)


def test_the_moment_begins_when_the_database_was_asked_not_when_it_answered(callers, ticks):
    asked_at = ticks.at
    ticks.at += 5
    callers.note(KEY, CALLER, asked_at=asked_at)
    assert callers.trusted(KEY) is None


def test_another_key_is_nobodys(callers, ticks):
    callers.note(KEY, CALLER, asked_at=ticks.at)
    assert callers.trusted(OTHER) is callers.recent(OTHER) is None


def test_a_dropped_key_is_not_remembered(callers, ticks):
    callers.note(KEY, CALLER, asked_at=ticks.at)
    callers.drop(KEY)
    callers.drop(OTHER)
    assert callers.recent(KEY) is None


def test_what_was_looked_up_before_a_revocation_is_not_believed_after_it(callers, ticks):
    asked_at = ticks.at
    callers.note(OTHER, CALLER, asked_at=asked_at)
    callers.forget()
    callers.note(KEY, CALLER, asked_at=asked_at)
    assert callers.recent(OTHER) is callers.recent(KEY) is None
    ticks.at += 0.001
    callers.note(KEY, CALLER, asked_at=ticks.at)
    assert callers.trusted(KEY) == CALLER


def test_only_so_many_are_remembered_those_seen_last(callers, ticks):
    for n in (1, 2, 3, 1, 4):
        callers.note(f"key {n}", CALLER, asked_at=ticks.at)
    assert [n for n in range(1, 5) if callers.recent(f"key {n}")] == [1, 3, 4]


def test_the_key_itself_is_not_kept(callers, ticks):
    callers.note(KEY, CALLER, asked_at=ticks.at)
    assert KEY not in repr(callers)
