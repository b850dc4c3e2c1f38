from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prefsvc import honour
from prefsvc.honour import Moments, Promise, Rule, Span

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
units = st.sampled_from(["calendar_days", "business_days", "hours"])
spans = st.builds(Span, st.integers(0, 40), units)
moments_in_time = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, *map(ZoneInfo, ZONES)]),
)


@st.composite
def rules(draw) -> Rule:
    window = draw(spans)
    ends = ["end_of_day", "start_of_day"]
    if window.unit != "business_days":
        ends.append("same_time")
    return Rule(
        id=draw(st.text("abc", min_size=1, max_size=8)),
        title="A law",
        source="a test",
        window=window,
        counted_from=draw(st.sampled_from(["sent", "submitted", "used", "received", "unsaid"])),
        channels=frozenset({"email"}),
        first_day_counts=draw(st.booleans()),
        ends=draw(st.sampled_from(ends)),
        holidays=draw(st.sampled_from(["US", "GB-SCT", "NZ", None])),
        time_zone=draw(zones | st.none()),
        time_zones=tuple(draw(st.lists(zones, max_size=3))),
        recipient_domains=frozenset(draw(st.lists(st.sampled_from(["gmail.com", "yahoo.*"])))),
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


def of(some_rules, promise, moments, domain, zone):
    return honour.deadline(
        some_rules, promise, moments, channel="email", recipient_domain=domain, time_zone=zone
    )


rule_lists = st.lists(rules(), max_size=4, unique_by=lambda rule: rule.id)


@settings(deadline=None)  # calendars load at their first use
@given(rule_lists, promises, opt_outs(), domains, zones)
def test_a_deadline_is_never_later_than_any_rule_that_applies(some, promise, moments, domain, zone):
    found = of(some, promise, moments, domain, zone)
    for one in found.reckonings:
        assert found.conservative_at <= one.conservative_at
        assert found.statutory_at <= one.statutory_at
    assert found.binding.conservative_at == found.conservative_at
    assert found.target_at is None or found.target_at <= found.conservative_at
    applicable = [rule.id for rule in some if rule.applies_to("email", domain)]
    expected = applicable + (["promise"] if promise else [])
    assert [one.id for one in found.reckonings] == (expected or ["house-default"])


@settings(deadline=None)  # calendars load at their first use
@given(rule_lists, rules(), promises, opt_outs(), domains)
def test_another_rule_never_moves_a_deadline_later(some, another, promise, moments, domain):
    without = of(some, promise, moments, domain, "America/New_York")
    assume(without.set_by != "house-default")  # it is for want of any rule
    with_it = of([*some, another], promise, moments, domain, "America/New_York")
    assert with_it.conservative_at <= without.conservative_at
    assert with_it.statutory_at <= without.statutory_at


@settings(deadline=None)  # calendars load at their first use
@given(rules(), opt_outs(), zones)
def test_the_conservative_reading_is_never_later_than_the_statutory_one(rule, moments, zone):
    (found,) = of([rule], None, moments, None, zone).reckonings
    assert found.conservative_at <= found.statutory_at


@settings(deadline=None)  # calendars load at their first use
@given(rules(), opt_outs(), zones)
def test_an_opt_out_that_comes_later_in_business_days_is_never_due_earlier(rule, moments, zone):
    assume(rule.window.unit == "business_days")
    later = Moments(
        received_at=moments.received + timedelta(minutes=20),
        sent_at=moments.sent + timedelta(minutes=20),
        recorded_at=moments.recorded_at + timedelta(minutes=20),
    )
    first, second = (of([rule], None, one, None, zone) for one in (moments, later))
    assert first.conservative_at <= second.conservative_at
    assert first.statutory_at <= second.statutory_at


@settings(deadline=None)  # calendars load at their first use
@given(rule_lists, promises, moments_in_time, domains, zones)
def test_no_opt_out_falls_due_sooner_than_the_shortest_window(some, promise, moment, domain, zone):
    window = honour.shortest_window(some, promise, channel="email")
    moments = Moments(received_at=moment, recorded_at=moment)
    found = of(some, promise, moments, domain, zone)
    assert found.conservative_at - moment.astimezone(UTC) >= window


def test_the_shortest_window_is_as_long_as_can_be_said():
    first_set = honour.rules_of(["can-spam", "tcpa", "casl"])
    slack = timedelta(hours=2)
    # Ten business days from a Monday end on a Friday, eleven days later; clocks may change.
    assert honour.shortest_window(first_set, None, channel="email") == timedelta(days=11) - slack
    assert honour.shortest_window(first_set, None, channel="sms") == timedelta(days=11) - slack
    assert honour.shortest_window(first_set, None, channel="post") == timedelta(days=10) - slack
    with_gmail = honour.rules_of(["can-spam", "gmail"])
    assert honour.shortest_window(with_gmail, None, channel="email") == timedelta(hours=48)
    promise = Promise("email", Span(5, "calendar_days"))
    assert honour.shortest_window(first_set, promise, channel="email") == timedelta(days=5) - slack


def test_a_mailbox_under_no_rule_has_the_house_default_in_the_shortest_window():
    slow = honour.parse_rules("""
[slow]
title = "A slow provider"
source = "a test"
window = "30 days"
counted_from = "received"
channels = ["email"]
recipient_domains = ["slow.example"]
""")
    window = honour.shortest_window(slow.values(), None, channel="email")
    assert window == timedelta(days=10) - timedelta(hours=2)


def test_nothing_falls_due_before_it_was_said():
    from_the_day = honour.parse_rules("""
[at-once]
title = "With effect from the day"
source = "a test"
window = "0 days"
counted_from = "received"
ends = "start_of_day"
channels = ["email"]
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
