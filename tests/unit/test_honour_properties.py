from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prefsvc import honour
from prefsvc.honour import Moments, Promise, Rule, Span, choose

ZONES = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "Europe/London",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]
zones = st.sampled_from(ZONES)
domains = st.sampled_from(["gmail.com", "yahoo.fr", "example.com", None])
countries = st.sampled_from(["US", "PR", "CA", "GB", "AU", "NZ", "DE", None])
units = st.sampled_from(["calendar_days", "business_days", "hours", "months"])
spans = st.builds(Span, st.integers(0, 40), units)
business_days = st.builds(Span, st.integers(0, 40), st.just("business_days"))
moments_in_time = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, *map(ZoneInfo, ZONES)]),
)


@st.composite
def rules(draw, windows=spans) -> Rule:
    window = draw(windows)
    ends = ["end_of_day", "start_of_day"]
    if window.unit in ("calendar_days", "hours"):
        ends.append("same_time")
    return Rule(
        id=draw(st.text("abc", min_size=1, max_size=8)),
        title="A law",
        source="a test",
        window=window,
        counted_from=draw(st.sampled_from(["sent", "submitted", "used", "received", "unsaid"])),
        about=frozenset({"email"}),
        first_day_counts=draw(st.booleans()),
        ends=draw(st.sampled_from(ends)),
        holidays=draw(st.sampled_from(["US", "GB-SCT", "NZ", None])),
        time_zone=draw(zones | st.none()),
        time_zones=tuple(draw(st.lists(zones, max_size=3))),
        recipient_domains=frozenset(draw(st.lists(st.sampled_from(["gmail.com", "yahoo.*"])))),
        countries=frozenset(draw(st.lists(countries.filter(bool), max_size=2))),
    )


@st.composite
def opt_outs(draw) -> Moments:
    received_at = draw(moments_in_time)
    delays = st.timedeltas(timedelta(days=-2), timedelta(days=40))
    return Moments(
        sent_at=draw(st.none() | delays.map(lambda delay: received_at - delay)),
        received_at=received_at,
        recorded_at=received_at + draw(delays),
    )


promises = st.none() | st.builds(
    Promise,
    st.just("email"),
    spans.filter(lambda span: span.number > 0),
    st.none() | spans,
    st.sampled_from(["US", None]),
)


def of(some_rules, promise, moments, domain, zone, *, country=None):
    return honour.deadline(
        some_rules,
        promise,
        moments,
        channel="email",
        recipient_domain=domain,
        time_zone=zone,
        country=country,
    )


places = st.fixed_dictionaries({"domain": domains, "zone": zones, "country": countries})
rule_lists = st.lists(rules(), max_size=4, unique_by=lambda rule: rule.id)


@settings(deadline=None)  # calendars load at their first use
@given(rule_lists, promises, opt_outs(), places)
def test_a_deadline_is_never_later_than_any_rule_that_applies(some, promise, moments, place):
    found = of(some, promise, moments, **place)
    for one in found.reckonings:
        assert found.conservative_at <= one.conservative_at
        assert found.statutory_at <= one.statutory_at
    assert found.binding.conservative_at == found.conservative_at
    assert found.target_at is None or found.target_at <= found.conservative_at
    chosen = choose(some, "email", country=place["country"], recipient_domain=place["domain"])
    expected = [rule.id for rule in chosen.rules]
    if promise:
        expected.append("promise")
    elif len(chosen.added) == len(chosen.rules):
        expected.append("house-default")
    assert [one.id for one in found.reckonings] == expected


@settings(deadline=None)  # calendars load at their first use
@given(promises, opt_outs(), places)
def test_to_know_the_country_never_moves_a_deadline_later_where_no_rule_is_listed(
    promise, moments, place
):
    anywhere = of([], promise, moments, **place | {"country": None})
    assert of([], promise, moments, **place).conservative_at <= anywhere.conservative_at


@settings(deadline=None)  # calendars load at their first use
@given(rule_lists, rules(), promises, opt_outs(), places)
def test_another_rule_never_moves_a_deadline_later(some, another, promise, moments, place):
    without = of(some, promise, moments, **place)
    assume(without.set_by != "house-default")  # it is for want of any rule
    with_it = of([*some, another], promise, moments, **place)
    assert with_it.conservative_at <= without.conservative_at
    assert with_it.statutory_at <= without.statutory_at


@settings(deadline=None)  # calendars load at their first use
@given(rules(), opt_outs(), zones)
def test_the_conservative_reading_is_never_later_than_the_statutory_one(rule, moments, zone):
    (found,) = of([rule], None, moments, None, zone).reckonings
    assert found.conservative_at <= found.statutory_at


@settings(deadline=None)  # calendars load at their first use
@given(rules(business_days), opt_outs(), zones)
def test_an_opt_out_that_comes_later_in_business_days_is_never_due_earlier(rule, moments, zone):
    later = Moments(
        received_at=moments.received + timedelta(minutes=20),
        sent_at=moments.sent + timedelta(minutes=20),
        recorded_at=moments.recorded_at + timedelta(minutes=20),
    )
    first, second = (of([rule], None, one, None, zone) for one in (moments, later))
    assert first.conservative_at <= second.conservative_at
    assert first.statutory_at <= second.statutory_at


@settings(deadline=None)  # calendars load at their first use
@given(rule_lists, promises, moments_in_time, places)
def test_no_opt_out_falls_due_sooner_than_the_shortest_window(some, promise, moment, place):
    window = honour.shortest_window(some, promise, channel="email")
    moments = Moments(received_at=moment, recorded_at=moment)
    found = of(some, promise, moments, **place)
    assert found.conservative_at - moment.astimezone(UTC) >= window


def test_the_shortest_window_is_as_long_as_can_be_said():
    slack = timedelta(hours=2)  # clocks may change
    can_spam = honour.rules_of(["can-spam"])
    # Somebody may be in New Zealand: five working days from a Monday, as that Friday begins.
    assert honour.shortest_window(can_spam, None, channel="email") == timedelta(days=3) - slack
    assert honour.shortest_window([], None, channel="sms") == timedelta(days=3) - slack
    with_gmail = honour.rules_of(["can-spam", "gmail"])
    assert honour.shortest_window(with_gmail, None, channel="email") == timedelta(hours=48)
    # No law gives post less than the house does, nor the sharing of data.
    for about in ("post", "third_party_sharing"):
        assert honour.shortest_window([], None, channel=about) == timedelta(days=10) - slack
    promise = Promise("post", Span(5, "calendar_days"))
    assert honour.shortest_window([], promise, channel="post") == timedelta(days=5) - slack
    promise = Promise("post", Span(1, "months"))
    assert honour.shortest_window([], promise, channel="post") == timedelta(days=28) - slack


def test_ten_business_days_leave_eleven_days_at_least():
    fast = honour.parse_rules("""
[everywhere]
title = "A law of the whole world"
source = "a test"
window = "10 business days"
counted_from = "received"
about = ["third_party_sharing"]
""")
    window = honour.shortest_window(fast.values(), None, channel="third_party_sharing")
    # From a Monday to the Friday of the week after; clocks may change.
    assert window == timedelta(days=11) - timedelta(hours=2)


def test_a_recipient_under_no_rule_has_the_house_default_in_the_shortest_window():
    for narrowed in ('recipient_domains = ["slow.example"]', 'countries = ["DE"]'):
        slow = honour.parse_rules(f"""
[slow]
title = "A slow law"
source = "a test"
window = "30 days"
counted_from = "received"
about = ["post"]
{narrowed}
""")
        window = honour.shortest_window(slow.values(), None, channel="post")
        assert window == timedelta(days=10) - timedelta(hours=2)


def test_nothing_falls_due_before_it_was_said():
    from_the_day = honour.parse_rules("""
[at-once]
title = "With effect from the day"
source = "a test"
window = "0 days"
counted_from = "received"
ends = "start_of_day"
about = ["email"]
""")
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    moments = Moments(received_at=noon, recorded_at=noon)
    found = of(from_the_day.values(), None, moments, None, "UTC")
    assert (found.conservative_at, found.statutory_at) == (noon, noon)
    assert honour.shortest_window(from_the_day.values(), None, channel="email") == timedelta(0)


def test_zones_are_as_the_reckoning_takes_them():
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(0, 400, 5)]
    for name in sorted(available_timezones()):
        offsets = [day.astimezone(ZoneInfo(name)).utcoffset() for day in days]
        # Dates change at quarters of an hour, and clocks jump by two hours at most.
        assert all(offset % timedelta(minutes=15) == timedelta(0) for offset in offsets), name
        assert all(abs(b - a) <= timedelta(hours=2) for a, b in pairwise(offsets)), name
