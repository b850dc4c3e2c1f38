"""The tally finds what it is there to find; a drill that could find nothing would prove nothing."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.drills.doors import A_QUEUE, Door, OptOut, api
from tests.drills.people import BRANDS, Person
from tests.drills.tally import Row, Span, Tally, hold_ledger, hold_list, hold_order

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DOOR = Door("api", "api", api, A_QUEUE, iter(()))


def at(seconds):
    return START + timedelta(seconds=seconds)


def opt_out(number=0, *, begun=0, told=1):
    person = Person(BRANDS[0], "email", f"{number}@example.com")
    told_at = None if told is None else at(told)
    return OptOut(DOOR, person, "", number, at(begun), told_at)


def row(one, *, position=1, received=0.5, **more):
    fields = {"act": "opt_out", "effect": "added", "source": "api"} | more
    return Row(one.person, 5, position, received_at=at(received), **fields)


def found(*opt_outs, ledger):
    tally = Tally()
    hold_ledger(tally, opt_outs, ledger)
    return sorted(kind for kind, what in tally.wrong.items() if what)


def test_what_was_acknowledged_and_is_there_once_is_well():
    assert found(opt_out(), ledger=[row(opt_out())]) == []


def test_what_was_not_acknowledged_may_be_there_or_not():
    assert found(opt_out(told=None), ledger=[]) == []
    assert found(opt_out(told=None), ledger=[row(opt_out())]) == []


@pytest.mark.parametrize("told", [None, 1])
def test_what_is_there_twice_was_doubled_whatever_was_said(told):
    one = opt_out(told=told)
    assert found(one, ledger=[row(one), row(one, position=2)]) == ["doubled"]


def test_what_was_acknowledged_and_is_not_there_was_lost():
    assert found(opt_out(), ledger=[]) == ["lost"]


def test_what_nobody_said_is_found():
    assert found(ledger=[row(opt_out())]) == ["never said"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"received": -0.1}, "too early"),
        ({"received": 1.1}, "too late"),
        ({"source": "import"}, "told otherwise"),
        ({"effect": "none"}, "told otherwise"),
        ({"act": "opt_in"}, "told otherwise"),
    ],
)
def test_what_is_written_down_otherwise_is_found(change, kind):
    assert found(opt_out(), ledger=[row(opt_out(), **change)]) == [kind]


def test_whoever_came_after_another_was_told_has_a_later_place():
    first, second = opt_out(1, begun=0, told=1), opt_out(2, begun=2, told=3)
    tally = Tally()
    hold_order(tally, [first, second], [row(first, position=1), row(second, position=2)])
    assert not tally.count("out of order")
    hold_order(tally, [first, second], [row(first, position=2), row(second, position=1)])
    assert tally.count("out of order") == 1


def test_those_who_came_at_the_same_time_have_any_order():
    first, second = opt_out(1, begun=0, told=3), opt_out(2, begun=2, told=3)
    tally = Tally()
    hold_order(tally, [first, second], [row(first, position=2), row(second, position=1)])
    assert not tally.count("out of order")


def test_a_list_holds_everybody_once_and_nobody_else():
    tally = Tally()
    hold_list(tally, "the feed", Counter({"1@example.com": 2, "3@example.com": 1}), {
        opt_out(number).person for number in (1, 2)
    })  # fmt: skip
    assert {kind: tally.count(kind) for kind in tally.wrong} == {
        "missing in the feed": 1, "only in the feed": 1, "doubled in the feed": 1,
    }  # fmt: skip


def test_a_span_knows_who_was_told_while_it_lasted():
    during, over_its_end = opt_out(1, begun=1, told=2), opt_out(2, begun=1, told=9)
    before, untold = opt_out(3, begun=0, told=2), opt_out(4, begun=1, told=None)
    span = Span(at(1), at(5))
    assert span.meanwhile([during, over_its_end, before, untold]) == [during]
