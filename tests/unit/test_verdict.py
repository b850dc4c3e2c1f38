"""Judging what was sent by what had been said until then. RULES L-01, L-55; SEEDS 3 and 4."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.suppression import BLOCKED_BY_REASON, Question, Scope, State, decide, obstacle
from prefsvc.verdict import Cut, History, Said, Send, judge, knew

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = 10 * DAY
CHANNEL, TOPIC = Scope("channel"), Scope("topic", "news")
SEVERITY = ["clear", "exempt", "in_flight", "violation"]
NEWS = Question("news")

numbers = count(1)


def stop(at=NOON, *, scope=CHANNEL, reason="opt_out", position=None, received=None, window=WINDOW):
    number = next(numbers)
    state = State(
        scope, reason, active=True, said_at=at, deadline_at=at + window, event_id=UUID(int=number)
    )
    received = received or at
    return Said(state, may_lift=True, position=position or number, received_at=received)


def start(at, *, scope=CHANNEL, reason="opt_out", may_lift=True):
    number = next(numbers)
    state = State(
        scope, reason, active=False, said_at=at, deadline_at=None, event_id=UUID(int=number)
    )
    return Said(state, may_lift, number, at)


def send(after, *, asked=NEWS, channel="email", cut=None):
    return Send(NOON + after, channel, asked, cut)


def verdict_of(history, one):
    return judge(History.of(history), one)


def kind(history, one):
    return verdict_of(history, one).kind


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(-timedelta(microseconds=1), "clear", id="before it was said"),
        pytest.param(timedelta(0), "in_flight", id="at the same moment"),
        pytest.param(WINDOW, "in_flight", id="at the deadline"),
        pytest.param(WINDOW + timedelta(microseconds=1), "violation", id="after the deadline"),
    ],
)
def test_the_window_protects_what_is_in_flight_and_nothing_after(after, expected):
    assert kind([stop()], send(after)) == expected


def test_nothing_said_is_clear():
    verdict = verdict_of([], send(DAY))
    assert (verdict.kind, verdict.why, verdict.state) == ("clear", None, None)


def test_an_opt_out_binds_from_its_receipt_not_from_its_posting():
    letter = stop(NOON, received=NOON + 20 * DAY)
    assert kind([letter], send(15 * DAY)) == "clear"
    assert kind([letter], send(21 * DAY)) == "violation"


def test_a_transactional_message_is_exempt_even_after_the_deadline():
    verdict = verdict_of([stop()], send(30 * DAY, asked=Question("orders", "transactional")))
    assert (verdict.kind, verdict.why) == ("exempt", "class_not_covered")


def test_a_dead_address_gets_nothing_of_any_class():
    asked = Question("orders", "transactional")
    assert kind([stop(reason="undeliverable")], send(30 * DAY, asked=asked)) == "violation"


def test_another_topic_is_not_covered():
    assert kind([stop(scope=TOPIC)], send(30 * DAY, asked=Question("offers"))) == "clear"
    assert kind([stop(scope=TOPIC)], send(30 * DAY)) == "violation"


def test_no_other_scope_reaches_sharing_nor_sharing_a_message():
    assert kind([stop(scope=Scope("third_party_sharing"))], send(30 * DAY)) == "clear"


def test_after_the_person_agreed_again_it_is_clear():
    history = [stop(), start(NOON + 12 * DAY)]
    assert kind(history, send(11 * DAY)) == "violation"
    assert kind(history, send(13 * DAY)) == "clear"


def test_a_second_opt_out_has_a_window_of_its_own():
    history = [stop(), start(NOON + 12 * DAY), stop(NOON + 20 * DAY)]
    assert kind(history, send(29 * DAY)) == "in_flight"
    assert kind(history, send(31 * DAY)) == "violation"


def test_saying_it_again_moves_no_deadline():
    history = [first := stop(), stop(NOON + 5 * DAY)]
    verdict = verdict_of(history, send(11 * DAY))
    assert (verdict.kind, verdict.state.event_id) == ("violation", first.state.event_id)


def test_an_opt_in_that_lifts_nothing_excuses_nothing():
    history = [stop(), start(NOON + DAY, may_lift=False)]
    assert kind(history, send(11 * DAY)) == "violation"


def test_of_two_opt_outs_the_one_that_is_due_decides():
    history = [stop(window=30 * DAY), stop(scope=TOPIC)]
    verdict = verdict_of(history, send(15 * DAY))
    assert (verdict.kind, verdict.state.scope) == ("violation", TOPIC)


def cut(head, position):
    return Cut(head, position)


def test_a_letter_printed_from_an_older_list_is_in_flight_whatever_the_day():
    printed = send(90 * DAY, channel="post", cut=cut(6, 6))
    verdict = verdict_of([stop(position=7)], printed)
    assert (verdict.kind, verdict.why) == ("in_flight", "cut_before_the_opt_out")


def test_a_letter_printed_in_another_history_is_proved_by_its_registration():
    assert kind([stop(position=7)], send(90 * DAY, channel="post", cut=cut(6, None))) == "in_flight"


def test_what_a_list_lacked_is_told_by_its_place_in_the_ledger():
    said = [stop(position=7)]
    assert kind(said, send(90 * DAY, channel="post", cut=cut(6, 6))) == "in_flight"
    assert kind(said, send(90 * DAY, channel="post", cut=cut(7, 6))) == "violation"


@pytest.mark.parametrize(
    ("channel", "printed"),
    [
        pytest.param("post", cut(9, 7), id="the list had it"),
        pytest.param("post", cut(7, 6), id="the list was old but registered afterwards"),
        pytest.param("post", None, id="no mailing named"),
        pytest.param("email", cut(6, 6), id="a mail is not printed"),
    ],
)
def test_what_could_have_been_held_back_is_a_violation(channel, printed):
    one = send(90 * DAY, channel=channel, cut=printed)
    assert kind([stop(position=7)], one) == "violation"


def test_an_opt_out_on_the_list_is_not_excused_by_one_that_came_later():
    history = [stop(position=3), stop(NOON + 2 * DAY, scope=TOPIC, position=9)]
    assert kind(history, send(90 * DAY, channel="post", cut=cut(5, 5))) == "violation"


def test_the_opt_out_that_the_list_had_is_the_one_that_a_letter_defied():
    known, later = stop(scope=TOPIC, position=3), stop(NOON + 2 * DAY, position=9)
    verdict = verdict_of([known, later], send(90 * DAY, channel="post", cut=cut(5, 5)))
    assert (verdict.kind, verdict.state) == ("violation", known.state)


def test_the_opt_out_that_the_list_lacked_is_the_one_that_excuses_a_letter():
    later = stop(NOON + 2 * DAY, position=9)
    verdict = verdict_of([later], send(90 * DAY, channel="post", cut=cut(5, 5)))
    assert (verdict.kind, verdict.state) == ("in_flight", later.state)


def test_an_opt_out_on_the_list_is_not_excused_by_an_earlier_word_that_came_later():
    history = [stop(position=3), stop(NOON - 3 * DAY, received=NOON + 2 * DAY, position=9)]
    assert kind(history, send(90 * DAY, channel="post", cut=cut(5, 5))) == "violation"


def test_who_had_heard_knew():
    history = History.of([stop(position=7)])
    assert knew(history, send(11 * DAY), 7)
    assert not knew(history, send(11 * DAY), 6)


def test_who_heard_of_another_topic_did_not_know():
    assert not knew(
        History.of([stop(scope=TOPIC)]), send(11 * DAY, asked=Question("offers")), 10**9
    )


# --- properties ------------------------------------------------------------------------------

days = st.integers(0, 60).map(lambda n: NOON + n * DAY)
scopes = st.sampled_from([CHANNEL, TOPIC, Scope("brand"), Scope("topic", "offers")])
reasons = st.sampled_from(sorted(BLOCKED_BY_REASON))
questions = st.builds(
    Question,
    st.sampled_from(["", "news", "offers"]),
    st.sampled_from(["marketing", "transactional", "service"]),
)


@st.composite
def histories(draw, *, lifts=True):
    acts = draw(
        st.lists(st.tuples(st.booleans(), days, scopes, reasons, st.booleans()), max_size=8)
    )
    history = []
    for number, (is_stop, said_at, scope, reason, may_lift) in enumerate(acts, start=1):
        if is_stop or not lifts:
            delay = draw(st.integers(0, 20)) * DAY
            one = stop(said_at, scope=scope, reason=reason, received=said_at + delay)
        else:
            one = start(said_at, scope=scope, reason=reason, may_lift=may_lift)
        history.append(replace(one, position=number))
    return history


cuts = st.none() | st.builds(cut, st.integers(0, 9), st.none() | st.integers(0, 9))
channels = st.sampled_from(["email", "sms", "post"])
sends = st.builds(
    lambda day, asked, channel, listed: Send(NOON + day * DAY, channel, asked, listed),
    st.integers(-5, 90), questions, channels, cuts,
)  # fmt: skip


@given(histories(lifts=False), sends, st.integers(0, 60))
def test_while_opt_outs_stand_a_later_message_is_never_judged_more_mildly(history, one, later):
    then = replace(one, sent_at=one.sent_at + later * DAY)
    assert SEVERITY.index(kind(history, then)) >= SEVERITY.index(kind(history, one))


@given(histories(), sends, st.randoms())
def test_the_order_in_which_a_history_is_read_does_not_matter(history, one, random):
    shuffled = random.sample(history, len(history))
    assert verdict_of(shuffled, one) == verdict_of(history, one)


@given(histories(), st.lists(sends, max_size=6), st.integers(0, 9))
def test_what_was_replayed_for_one_message_serves_no_other_wrongly(history, every, position):
    prepared = History.of(history)
    for one in every:
        assert judge(prepared, one) == verdict_of(history, one)
        assert knew(prepared, one, position) == knew(History.of(history), one, position)


@given(histories(), questions)
def test_once_all_was_heard_it_agrees_with_what_the_register_forbids(history, asked):
    slots = {}
    for said in history:
        standing = slots.get(said.state.slot)
        _, state = decide(said.kind, standing, said.state, may_lift=said.may_lift)
        slots[said.state.slot] = state
    forbidden = obstacle(filter(None, slots.values()), asked) is not None
    verdict = kind(history, Send(NOON + 100 * DAY, "email", asked))
    assert (verdict in {"in_flight", "violation"}) == forbidden


@given(histories(), sends)
def test_a_violation_is_after_the_deadline_of_an_opt_out_that_was_received(history, one):
    verdict = verdict_of(history, one)
    if verdict.kind == "violation":
        assert verdict.state.deadline_at < one.sent_at
        assert verdict.state.event_id in {said.state.event_id for said in history}


@given(histories(), sends)
def test_only_post_is_judged_by_its_cut(history, one):
    if one.channel != "post":
        assert verdict_of(history, one) == verdict_of(history, replace(one, cut=None))
