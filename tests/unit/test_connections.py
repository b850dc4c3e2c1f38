"""Who is connected, and who has been too slow."""

from dataclasses import dataclass

import pytest

from prefsvc.settings import Settings
from prefsvc.web.connections import BODY_WINDOW_SECONDS, Connections

STRANGER, OTHER = "203.0.113.7", "203.0.113.8"


@dataclass(eq=False)
class Line:
    since: float = 0
    waits: bool = True
    head: float | None = None
    reader: float | None = None
    body: int | None = None
    is_over: bool = False

    def is_waiting(self):
        return self.waits

    def waiting_since(self):
        return self.since

    def head_since(self):
        return self.head

    def reader_since(self):
        return self.reader

    def body_received(self):
        return self.body

    def hang_up(self):
        self.is_over = True


def connections(**settings):
    return Connections(Settings(**settings))


def test_above_the_limit_those_that_waited_longest_make_room():
    known = connections(connections_max=32)
    lines = [Line(since=n) for n in range(40)]
    assert all(known.admit(line, STRANGER, 100) for line in lines)
    assert [line.is_over for line in lines] == [True] * 8 + [False] * 32


def test_who_is_being_served_makes_no_room_and_newcomers_are_refused():
    known = connections(connections_max=3)
    busy = [Line(waits=False) for _ in range(3)]
    assert all(known.admit(line, STRANGER, 0) for line in busy)
    assert not known.admit(Line(), STRANGER, 0)
    assert not any(line.is_over for line in busy)
    known.leave(busy[0])
    assert known.admit(Line(), STRANGER, 0)


def test_one_address_has_its_share_and_a_trusted_proxy_has_any():
    known = connections(connections_per_address_max=2)
    lines = [Line(since=n) for n in range(3)]
    assert all(known.admit(line, STRANGER, 0) for line in lines)
    assert [line.is_over for line in lines] == [True, False, False]
    assert all(known.admit(Line(waits=False), OTHER, 0) for _ in range(2))
    assert not known.admit(Line(), OTHER, 0)
    assert all(known.admit(Line(waits=False), "127.0.0.1", 0) for _ in range(20))


def test_who_leaves_is_forgotten():
    known = connections(connections_per_address_max=1)
    for _ in range(5):
        line = Line(waits=False)
        assert known.admit(line, STRANGER, 0)
        known.leave(line)
        known.leave(line)


@pytest.mark.parametrize(
    ("slow", "setting", "limit"),
    [("head", "header_timeout_seconds", 10), ("reader", "write_timeout_seconds", 60)],
)
def test_who_takes_too_long_is_hung_up_on(slow, setting, limit):
    known = connections(**{setting: limit})
    line = Line(waits=False, **{slow: 5.0})
    known.admit(line, STRANGER, 5)
    known.look(5.0 + limit)
    assert not line.is_over
    known.look(5.1 + limit)
    assert line.is_over


def test_a_body_must_arrive_at_a_least_rate_while_somebody_waits_for_it():
    known = connections(body_rate_bytes_per_second_min=10)
    line, now = Line(waits=False, body=0), 0.0
    known.admit(line, STRANGER, now)
    known.look(now)
    for _ in range(5):
        now += BODY_WINDOW_SECONDS
        line.body += int(BODY_WINDOW_SECONDS * 10)
        known.look(now)
    assert not line.is_over
    # Nobody waits for it: it is not the client that is slow.
    line.body, now = None, now + 100
    known.look(now)
    line.body = 5000
    known.look(now)
    known.look(now + BODY_WINDOW_SECONDS - 1)
    assert not line.is_over
    known.look(now + BODY_WINDOW_SECONDS)
    assert line.is_over
