from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from prefsvc.suppression import (
    BLOCKED_BY_REASON,
    FORGED_MAIL,
    LIFTING_SOURCES,
    OPT_IN_SOURCES,
    SAME_WORD,
    Question,
    Scope,
    State,
    decide,
    is_unproven,
    may_lift,
    obstacle,
    parse_act,
    parse_effect,
    parse_reason,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(days=10)
NEWS, OFFERS = Scope("topic", "news"), Scope("topic", "offers")
CHANNEL, BRAND, SHARING = Scope("channel"), Scope("brand"), Scope("third_party_sharing")
SCOPES = (NEWS, OFFERS, CHANNEL, BRAND, SHARING)
REASONS = tuple(BLOCKED_BY_REASON)
CLASSES = ("marketing", "transactional", "service")


@dataclass(frozen=True)
class Said:
    kind: str
    hour: int
    source: str = "sms_reply"
    scope: Scope = CHANNEL
    reason: str = "opt_out"
    number: int = 0

    @property
    def state(self):
        at = START + timedelta(hours=self.hour)
        is_stop = self.kind == "opt_out"
        due = at + WINDOW if is_stop else None
        return State(self.scope, self.reason, is_stop, at, due, UUID(int=self.number))


def stop(hour, **more):
    return Said("opt_out", hour, **more)


def start(hour, source="sms_reply", **more):
    return Said("opt_in", hour, source, **more)


def follows(said, standing=None):
    """What stands, by slot, after these in this order."""
    states = dict(standing or {})
    for one in said:
        _, state = decide(
            one.kind,
            states.get(one.state.slot),
            one.state,
            may_lift=may_lift(one.source, one.reason),
        )
        if state:
            states[state.slot] = state
    return states


def suppressed(said):
    return {slot for slot, state in follows(said).items() if state.active}


acts = st.builds(
    Said,
    kind=st.sampled_from(["opt_out", "opt_in"]),
    hour=st.integers(0, 4),
    source=st.sampled_from(sorted(OPT_IN_SOURCES)),
    scope=st.sampled_from([NEWS, CHANNEL, SHARING]),
    reason=st.sampled_from(["opt_out", "undeliverable", "alias"]),
    number=st.integers(1, 9),
)


def by_the_rule(said):
    """The rule itself (S-20, P-08): a stop stands until the person's own later word lifts it."""
    stops, starts = {}, {}
    for one in said:
        if one.kind == "opt_out":
            stops[one.state.slot] = max(one.hour, stops.get(one.state.slot, -1))
        elif one.source in LIFTING_SOURCES:
            starts[one.state.slot] = max(one.hour, starts.get(one.state.slot, -1))
    return {slot for slot, hour in stops.items() if hour >= starts.get(slot, -1)}


@given(
    st.lists(acts, max_size=8).flatmap(lambda said: st.tuples(st.just(said), st.permutations(said)))
)
def test_any_order_leads_to_the_same_suppressions(both):
    said, shuffled = both
    assert suppressed(said) == suppressed(shuffled) == by_the_rule(said)


@given(st.lists(acts, min_size=1, max_size=6), st.data())
def test_a_duplicate_at_any_later_place_changes_nothing(said, data):
    again = data.draw(st.sampled_from(said))
    place = data.draw(st.integers(said.index(again) + 1, len(said)))
    assert suppressed([*said[:place], again, *said[place:]]) == suppressed(said)


@given(
    st.lists(acts, max_size=8).flatmap(lambda said: st.tuples(st.just(said), st.permutations(said)))
)
def test_no_order_makes_a_deadline_later_than_the_order_of_saying(both):
    said, shuffled = both
    as_said = follows(sorted(said, key=lambda one: (one.hour, one.kind == "opt_out")))
    for slot, state in follows(shuffled).items():
        if state.active:
            assert state.deadline_at <= as_said[slot].deadline_at


@pytest.mark.parametrize("order", list(permutations([stop(1), start(1), stop(1), start(1)])))
def test_stop_wins_a_tie_in_every_order(order):
    assert suppressed(order)


@pytest.mark.parametrize("order", list(permutations([stop(1), start(2), stop(1), start(2)])))
def test_a_later_start_wins_in_every_order(order):
    assert not suppressed(order)


@pytest.mark.parametrize("order", list(permutations([stop(1), start(3), stop(5)])))
def test_a_start_from_between_two_stops_lifts_nothing(order):
    assert suppressed(order)


def test_a_stop_said_again_keeps_its_first_deadline():
    first = stop(1).state
    for hour in (1, 2, 100):
        effect, state = decide("opt_out", first, stop(hour, number=7).state, may_lift=True)
        assert effect == "none"
        assert (state.deadline_at, state.event_id) == (first.deadline_at, first.event_id)


def test_a_stop_said_again_at_once_leaves_the_state_as_it_is():
    first = stop(1).state
    soon = structs.replace(first, said_at=first.said_at + SAME_WORD - timedelta(microseconds=1))
    assert decide("opt_out", first, soon, may_lift=True)[1] is first


def test_a_stop_said_a_moment_earlier_is_the_same_word():
    first = stop(1).state
    moment = SAME_WORD - timedelta(microseconds=1)
    sooner = structs.replace(
        first, said_at=first.said_at - moment, deadline_at=first.deadline_at - moment
    )
    assert decide("opt_out", first, sooner, may_lift=True) == ("none", first)


def test_a_stop_said_earlier_is_due_earlier():
    effect, state = decide("opt_out", stop(5).state, stop(1, number=7).state, may_lift=True)
    assert effect == "added"
    assert (state.deadline_at, state.event_id) == (stop(1).state.deadline_at, UUID(int=7))
    assert state.said_at == stop(5).state.said_at


def test_a_stop_older_than_a_start_changes_nothing():
    standing = start(5).state
    assert decide("opt_out", standing, stop(4).state, may_lift=True) == ("none", standing)


@pytest.mark.parametrize("source", sorted(OPT_IN_SOURCES - LIFTING_SOURCES))
def test_what_is_not_the_persons_own_word_lifts_nothing(source):
    standing = stop(1).state
    assert decide("opt_in", standing, start(9, source).state, may_lift=False) == ("none", standing)
    # Nor does it hold off an older stop that arrives late.
    assert suppressed([start(9, source), stop(1)])


@pytest.mark.parametrize("source", ["import", "purchase", "form", "registration"])
def test_imports_purchases_and_forms_are_not_the_persons_own_word(source):
    assert source in OPT_IN_SOURCES - LIFTING_SOURCES


@given(st.lists(acts, max_size=6), acts)
def test_clearing_one_scope_and_reason_clears_no_other(said, clearing):
    before = follows(said)
    after = follows([replace(clearing, kind="opt_in")], before)
    untouched = before.keys() - {clearing.state.slot}
    assert {slot: after[slot] for slot in untouched} == {slot: before[slot] for slot in untouched}


@pytest.mark.parametrize("source", sorted(OPT_IN_SOURCES))
@pytest.mark.parametrize("reason", REASONS)
def test_a_new_owner_may_say_so_by_any_form_or_purchase_but_by_no_other_program(source, reason):
    """S-33, P-08. Undo is of whoever has the old message."""
    of_others = {"import", "provider_event", "undo"}
    lifting = OPT_IN_SOURCES - of_others if reason == "reassigned" else LIFTING_SOURCES
    assert may_lift(source, reason) == (source in lifting)


@pytest.mark.parametrize(
    "order", list(permutations([stop(1), start(2, "form"), start(3, "import")]))
)
def test_a_consent_dated_after_the_number_changed_hands_lifts_that_in_every_order(order):
    assert not suppressed([replace(one, reason="reassigned") for one in order])


@pytest.mark.parametrize(
    "order", list(permutations([stop(3), start(2, "form"), start(5, "import")]))
)
def test_a_consent_of_the_last_owner_lifts_nothing_in_any_order(order):
    assert suppressed([replace(one, reason="reassigned") for one in order])


@pytest.mark.parametrize("asked", SCOPES)
def test_who_has_a_number_is_a_matter_of_all_that_the_brand_sends(asked):
    assert Scope.of("reassigned", asked) == BRAND
    assert {Scope.of(one, asked) for one in REASONS if one != "reassigned"} == {asked}


def covered(scope, question):
    standing = structs.replace(stop(1).state, scope=scope)
    return obstacle([standing], question) is not None


@pytest.mark.parametrize("topic", ["news", "offers", ""])
@pytest.mark.parametrize("scope", [CHANNEL, BRAND])
def test_a_wider_scope_covers_every_topic(scope, topic):
    assert covered(scope, Question(topic))


def test_a_topic_covers_itself_alone():
    assert covered(NEWS, Question("news"))
    assert not covered(NEWS, Question("offers"))
    assert not covered(NEWS, Question())


@given(st.permutations([NEWS, CHANNEL, BRAND]))
def test_the_widest_is_named_whatever_the_order(order):
    states = [structs.replace(stop(n).state, scope=scope) for n, scope in enumerate(order)]
    assert obstacle(states, Question("news")).scope == BRAND


def test_lifting_a_topic_leaves_the_wider_opt_out_standing():
    states = follows([stop(1, scope=BRAND), stop(1, scope=NEWS), start(2, scope=NEWS)])
    assert obstacle(states.values(), Question("news")).scope == BRAND


@pytest.mark.parametrize("scope", [NEWS, CHANNEL, BRAND])
def test_sharing_is_independent_of_messages(scope):  # RULES P-12
    sharing = Question("news", purpose="third_party_sharing")
    assert not covered(scope, sharing)
    assert covered(SHARING, sharing)
    assert not covered(SHARING, Question("news"))


@pytest.mark.parametrize("message_class", CLASSES)
def test_an_opt_out_of_sharing_covers_every_message_class(message_class):
    assert covered(SHARING, Question("", message_class, "third_party_sharing"))


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("message_class", CLASSES)
def test_each_reason_covers_its_message_classes(reason, message_class):
    blocked = {
        "opt_out": {"marketing"},
        "complaint": {"marketing"},
        "undeliverable": {"marketing", "transactional", "service"},
        "deactivated": {"marketing", "service"},
        "restriction": {"marketing", "service"},
        "alias": {"marketing"},
        "reassigned": {"marketing", "transactional", "service"},
    }
    standing = structs.replace(stop(1).state, reason=reason)
    is_covered = obstacle([standing], Question(message_class=message_class)) is not None
    assert is_covered == (message_class in blocked[reason])


@given(st.sampled_from(SCOPES), st.sampled_from(REASONS), st.sampled_from(CLASSES))
def test_what_is_lifted_is_no_obstacle(scope, reason, message_class):
    lifted = structs.replace(start(1).state, scope=scope, reason=reason)
    for purpose in ("message", "third_party_sharing"):
        assert obstacle([lifted], Question("news", message_class, purpose)) is None


@pytest.mark.parametrize(("kind", "topic"), [("topic", ""), ("channel", "news"), ("brand", "news")])
def test_a_topic_belongs_to_topic_scope_alone(kind, topic):
    with pytest.raises(ValueError, match="topic"):
        Scope(kind, topic)


@pytest.mark.parametrize(
    ("parse", "words"),
    [
        (parse_reason, REASONS),
        (parse_act, ("opt_out", "opt_in")),
        (parse_effect, ("added", "lifted", "none")),
    ],
)
def test_words_are_read_back_and_others_are_faults(parse, words):
    assert [parse(word) for word in words] == list(words)
    with pytest.raises(KeyError):
        parse("nonsense")


UNPROVEN = ("mail_reply_unproven", "complaint_unproven", "bounce_unproven")


def of_mail(said):
    """The state that an act has standing, as its source makes it."""
    return structs.replace(said.state, unproven=is_unproven(said.source))


def heard(*said):
    """What stands after these, all of one slot."""
    state = None
    for one in said:
        lifts = may_lift(one.source, one.reason)
        _, state = decide(one.kind, state, of_mail(one), may_lift=lifts)
    return state


@pytest.mark.parametrize("source", UNPROVEN)
def test_a_finding_lifts_what_stands_by_mail_that_nobody_vouches_for(source):
    found = heard(stop(1, source=source), start(5, FORGED_MAIL))
    assert not found.active
    assert found.said_at < START


@pytest.mark.parametrize("minutes", [0, 0.5, 5])
@pytest.mark.parametrize("order", [1, -1])
def test_what_anybody_else_has_said_is_no_finding_of_anybodys(minutes, order):
    later = structs.replace(stop(1).state, said_at=START + timedelta(hours=1, minutes=minutes))
    states = [of_mail(stop(1, source=UNPROVEN[0])), later][::order]
    _, first = decide("opt_out", None, states[0], may_lift=True)
    _, both = decide("opt_out", first, states[1], may_lift=True)
    assert not both.unproven
    finding = of_mail(start(9, FORGED_MAIL))
    assert decide("opt_in", both, finding, may_lift=True) == ("none", both)


def test_a_finding_about_nothing_leaves_nothing():
    finding = of_mail(start(9, FORGED_MAIL))
    assert decide("opt_in", None, finding, may_lift=True) == ("none", None)
    lifted = heard(stop(1), start(2))
    assert decide("opt_in", lifted, finding, may_lift=True) == ("none", lifted)


def test_what_was_said_before_a_finding_and_comes_after_it_counts():
    assert heard(stop(5, source=UNPROVEN[0]), start(9, FORGED_MAIL), stop(2)).active


def test_the_persons_own_start_lifts_a_claim_like_any_other():
    assert not heard(stop(1, source=UNPROVEN[0]), start(2)).active


@given(
    st.lists(
        st.sampled_from(
            [
                *(stop(hour, source=one) for hour in range(6) for one in (UNPROVEN[0], "link")),
                *(start(hour) for hour in range(6)),
            ]
        ),
        max_size=8,
    )
)
def test_a_finding_never_lifts_a_proven_word(said):
    """As if the claims had never come: what then stands, stands after the finding, too."""
    without = heard(*(one for one in said if one.source not in UNPROVEN))
    after = heard(*said, start(9, FORGED_MAIL))
    if without is not None and without.active:
        assert after.active
