"""Which of texts that crossed was sent last (RULES S-20)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefsvc.text_order import Crossed, Text, lacking, order

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECONDS = st.integers(0, 3)
KINDS = st.sampled_from(["opt_out", "opt_in"])


def text(number, second=None):
    return Text("telnyx", f"m{number}", None, second if second is None else at(second))


def at(second):
    return NOON + timedelta(seconds=second)


@given(KINDS, SECONDS, st.lists(SECONDS | st.none(), max_size=4))
def test_what_was_sent_last_counts_and_stop_of_a_tie(kind, second, others):
    crossed = [Crossed(text(n, other)) for n, other in enumerate(others)]
    found = order(kind, text("mine", second), crossed, {})
    known = [other for other in others if other is not None]
    if any(other > second or (other == second and kind == "opt_in") for other in known):
        assert found == "earlier"
    elif not others:
        assert found == "alone"
    else:
        assert found == ("later" if len(known) == len(others) else "unknown")


@given(SECONDS, SECONDS)
def test_of_a_stop_and_a_start_exactly_one_is_later(stop, start):
    seen = (
        order("opt_out", text(1, stop), [Crossed(text(2, start))], {}),
        order("opt_in", text(2, start), [Crossed(text(1, stop))], {}),
    )
    assert sorted(seen) == ["earlier", "later"]


SENT = st.integers(0, 3_000_000).map(lambda micro: NOON + timedelta(microseconds=micro))


def in_whole_seconds(moment):
    return moment.replace(microsecond=0)


@given(stop=SENT, start=SENT, is_stop_rounded=st.booleans(), is_start_rounded=st.booleans())
@example(stop=at(0.9), start=at(0.5), is_stop_rounded=True, is_start_rounded=False)
@example(stop=at(0.9), start=at(0.5), is_stop_rounded=False, is_start_rounded=True)
def test_a_stop_that_was_sent_last_counts_though_one_provider_tells_whole_seconds(
    stop, start, is_stop_rounded, is_start_rounded
):
    stop, start = max(stop, start), min(stop, start)
    told_stop = Text("one", "stop", None, in_whole_seconds(stop) if is_stop_rounded else stop)
    told_start = Text(
        "other", "start", None, in_whole_seconds(start) if is_start_rounded else start
    )
    assert order("opt_out", told_stop, [Crossed(told_start)], {}) == "later"
    assert order("opt_in", told_start, [Crossed(told_stop)], {}) == "earlier"


@given(KINDS, st.lists(SECONDS | st.none(), min_size=1, max_size=4))
def test_without_its_own_moment_nothing_is_known(kind, others):
    assert order(kind, text("mine"), [Crossed(text(n, o)) for n, o in enumerate(others)], {}) == (
        "unknown"
    )


def test_what_the_provider_told_counts_like_what_came_with_the_text():
    mine, other = text(1), text(2)
    told = {mine: at(2), other: at(1)}
    assert order("opt_in", mine, [Crossed(other)], told) == "later"
    assert order("opt_in", other, [Crossed(mine)], told) == "earlier"
    assert order("opt_in", mine, [Crossed(other)], {mine: at(2)}) == "unknown"


def test_an_act_by_another_door_has_its_own_moment():
    assert order("opt_in", text(1, 2), [Crossed(None, at(1))], {}) == "later"
    assert order("opt_in", text(1, 1), [Crossed(None, at(2))], {}) == "earlier"


def test_each_text_without_a_moment_is_asked_about_once():
    crossed = [Crossed(text(2)), Crossed(text(2)), Crossed(text(3, 1)), Crossed(None, at(1))]
    assert lacking(text(1), crossed) == (text(1), text(2))
    assert lacking(text(1, 1), crossed) == (text(2),)
    assert lacking(text(1), []) == ()


@pytest.mark.parametrize("evidence", [{}, {"provider": "twilio"}, {"message_id": "m"}, {"a": 1}])
def test_what_no_message_proves_is_no_text(evidence):
    assert Text.of_evidence(evidence) is None


def test_a_text_is_read_back_from_its_evidence():
    evidence = {"provider": "telnyx", "message_id": "m1", "account": "a"}
    assert Text.of_evidence(evidence) == Text("telnyx", "m1", "a")
    moment = evidence | {"sent_at": at(1).isoformat()}
    assert Text.of_evidence(moment) == Text("telnyx", "m1", "a", at(1))
