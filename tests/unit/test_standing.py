from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.standing import (
    NOTHING_OWED,
    STEPS,
    Grace,
    Owed,
    state,
    together,
    with_grace,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(days=-60), timedelta(days=60)).map(lambda by: START + by)
GRACES = st.builds(Grace, MOMENTS, st.timedeltas(timedelta(hours=1), timedelta(days=60)))
GRAVITY = ("clear", "due_soon", "past_target", "overdue")


@st.composite
def owings(draw):
    """Something owed: its steps in order, with or without a target."""
    at = sorted(draw(st.lists(MOMENTS, min_size=4, max_size=4)))
    target = draw(st.sampled_from([None, *at]))
    count = draw(st.integers(1, 1000))
    return Owed(count, at[0], at[1], target and min(target, at[3]), at[3])


def in_ten_days(**changes):
    return replace(
        Owed(
            3,
            half_at=START + timedelta(days=5),
            four_fifths_at=START + timedelta(days=8),
            target_at=START + timedelta(days=6),
            deadline_at=START + timedelta(days=10),
        ),
        **changes,
    )


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, "clear"), (4.9, "clear"), (5, "due_soon"), (6, "past_target"), (8, "past_target"),
     (9.9, "past_target"), (10, "overdue"), (400, "overdue")],
)  # fmt: skip
def test_a_sender_passes_from_state_to_state_at_the_very_moment(days, expected):
    now = START + timedelta(days=days)
    assert state(in_ten_days(), now, has_acknowledged=True) == expected


def test_without_a_target_nothing_is_past_it():
    now = START + timedelta(days=9)
    assert state(in_ten_days(target_at=None), now, has_acknowledged=True) == "due_soon"


def test_who_owes_nothing_is_clear():
    assert state(NOTHING_OWED, START, has_acknowledged=True) == "clear"
    assert NOTHING_OWED.passed(START) == ()


@given(owings(), MOMENTS)
def test_who_never_acknowledged_is_in_no_other_state(owed, now):
    for one in (owed, NOTHING_OWED):
        assert state(one, now, has_acknowledged=False) == "never_heard"


@given(owings(), MOMENTS, st.timedeltas(timedelta(0), timedelta(days=90)))
def test_time_alone_never_makes_it_better(owed, now, later):
    before, after = (
        GRAVITY.index(state(owed, at, has_acknowledged=True)) for at in (now, now + later)
    )
    assert before <= after
    assert set(owed.passed(now)) <= set(owed.passed(now + later))


@given(owings(), MOMENTS)
def test_the_steps_that_are_passed_are_those_whose_time_has_come(owed, now):
    assert owed.passed(now) == tuple(
        step for step in STEPS if owed.at(step) and owed.at(step) <= now
    )


@given(st.lists(owings(), max_size=5), st.integers(0, 5))
def test_parts_may_be_summed_up_in_any_order_and_in_between(parts, cut):
    whole = together(parts)
    assert together([together(parts[cut:]), together(parts[:cut])]) == whole
    assert together([whole, NOTHING_OWED]) == whole
    assert whole.count == sum(part.count for part in parts)
    for step in STEPS:
        assert whole.at(step) == min((p.at(step) for p in parts if p.at(step)), default=None)


@given(owings(), GRACES)
def test_grace_holds_every_step_back_until_its_part_is_over_and_no_longer(owed, grace):
    held = with_grace(owed, grace)
    fractions = {"half": 0.5, "four_fifths": 0.8, "target": 0.5, "overdue": 1}
    assert held.count == owed.count
    for step, fraction in fractions.items():
        begin = grace.begin + grace.window * fraction
        assert held.at(step) == (owed.at(step) and max(owed.at(step), begin))


@given(owings(), GRACES)
def test_with_grace_too_the_deadline_comes_last(owed, grace):
    held = with_grace(owed, grace)
    assert all(held.at(step) <= held.deadline_at for step in STEPS if held.at(step))
