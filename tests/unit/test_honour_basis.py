import json
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from prefsvc import honour
from prefsvc.honour import Bases, Basis, Moments, Promise, Span, load_rules, rules_of
from tests.unit.test_honour_properties import ZONES, opt_outs, places, promises, rule_lists

later = st.timedeltas(timedelta(0), timedelta(days=1))
# Clocks are changed on these days, or at the end of windows that begin on them, somewhere.
changes = st.builds(
    lambda day, after: day + after,
    st.sampled_from(
        [
            datetime(2026, month, day, tzinfo=UTC)
            for month, days in ((2, (22, 26)), (3, (7, 8, 19, 28, 29)), (4, (4, 5)), (9, (17, 26)),
                                (10, (3, 4, 21, 24, 25, 31)), (11, (1, 2)))
            for day in days
        ]
    ),
    later,
)  # fmt: skip


@st.composite
def bases(draw):
    place = draw(places)
    return honour.basis(
        draw(st.just(load_rules().values()) | rule_lists),
        draw(promises),
        channel="email",
        recipient_domain=place["domain"],
        time_zone=place["zone"],
        country=place["country"],
    )


@settings(deadline=None)  # calendars load at their first use
@given(bases(), opt_outs())
def test_what_is_due_is_what_the_whole_reckoning_says(basis, moments):
    due, deadline = basis.due(moments), basis.deadline(moments)
    assert (due.deadline_at, due.target_at) == (deadline.conservative_at, deadline.target_at)
    skipped = {one.id: [day for day, _ in one.skipped] for one in deadline.reckonings}
    for name, days in due.skipped.items():
        assert skipped[name] == list(days)


@settings(deadline=None)
@given(bases(), opt_outs(), st.lists(later, max_size=4), st.lists(changes, max_size=4))
def test_every_moment_of_a_day_is_reckoned_right(basis, moments, further, others):
    for at in [*(moments.received_at + after for after in [timedelta(0), *further]), *others]:
        one = Moments(received_at=at, recorded_at=at)
        deadline = basis.deadline(one)
        due = basis.due(one)
        assert (due.deadline_at, due.target_at) == (deadline.conservative_at, deadline.target_at)


@settings(deadline=None)
@given(bases(), opt_outs())
def test_a_deadline_is_restored_from_its_basis_and_what_its_opt_out_keeps(basis, moments):
    kept = json.loads(json.dumps(basis.stored(basis.due(moments))))
    read = Basis.from_document(json.loads(json.dumps(basis.to_document())))
    restored, found = read.restored(kept, moments), basis.deadline(moments)
    assert read.id == basis.id == kept["basis"]
    for name in ("statutory_at", "conservative_at", "target_at", "set_by", "time_zone", "country",
                 "added", "dropped", "calendar"):  # fmt: skip
        assert getattr(restored, name) == getattr(found, name)
    assert [(one.id, one.statutory, one.conservative) for one in restored.reckonings] == [
        (one.id, one.statutory, one.conservative) for one in found.reckonings
    ]


def test_a_holiday_that_a_later_calendar_dropped_still_counts_as_it_did():
    basis = honour.basis(
        rules_of(["can-spam"]), None, channel="email", recipient_domain=None, time_zone="UTC"
    )
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    moments = Moments(received_at=at, recorded_at=at)
    kept = {"basis": basis.id, "skipped": {"can-spam": ["2026-11-24", "2026-11-25"]}}
    [reckoning] = basis.restored(kept, moments).reckonings
    assert [day for day, _ in reckoning.skipped] == [date(2026, 11, 24), date(2026, 11, 25)]
    assert reckoning.statutory_day == date(2026, 12, 8)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["gmail.com", "GMAIL.com.", "yahoo.fr", "yahoo.co.uk", "example.com", None]),
    st.sampled_from(["US", "NZ", None]),
    st.sampled_from(["email", "sms", "third_party_sharing"]),
)
def test_domains_that_no_rule_tells_apart_share_a_basis(domain, country, about):
    promise = Promise(about, Span(10, "calendar_days"))
    brand = Bases(tuple(load_rules().values()), lambda _: promise, "Europe/Paris")
    direct = honour.basis(
        load_rules().values(), promise, channel=about, recipient_domain=domain,
        time_zone="Europe/Paris", country=country,
    )  # fmt: skip
    assert brand.of(about, recipient_domain=domain, country=country) == direct
    assert brand.of(about, recipient_domain="a.example", country=None) is brand.of(
        about, recipient_domain="b.example", country=None
    )


def test_the_basis_of_a_promise_in_any_zone_has_an_id_of_its_own():
    ids = {
        honour.basis(
            [], Promise("email", Span(days, "calendar_days")), channel="email",
            recipient_domain=None, time_zone=zone,
        ).id
        for days in (5, 10)
        for zone in ZONES
    }  # fmt: skip
    assert len(ids) == 2 * len(ZONES)
    assert {len(one) for one in ids} == {16}
