from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from prefsvc import honour
from prefsvc.errors import NoRuleAbout
from prefsvc.honour import HOUSE_DEFAULT, Moments, Promise, Rule, Span, load_rules, rules_of

NEW_YORK = ZoneInfo("America/New_York")
RULES = load_rules()
TEN_DAYS = Promise("email", Span(10, "calendar_days"))


def at(*moment, zone=NEW_YORK):
    return datetime(*moment, tzinfo=zone)


def received(moment, sent_at=None):
    return Moments(sent_at=sent_at, received_at=moment, recorded_at=moment)


def of(
    rules,
    moments,
    *,
    promise=None,
    channel="email",
    domain="example.com",
    zone="America/New_York",
    country=None,
):
    return honour.deadline(
        rules,
        promise,
        moments,
        channel=channel,
        recipient_domain=domain,
        time_zone=zone,
        country=country,
    )


def of_rule(rule, moment, *, channel="email", domain="example.com", zone="America/New_York"):
    return of([rule], received(moment), channel=channel, domain=domain, zone=zone).reckonings[0]


@pytest.mark.parametrize(
    ("rule", "channel", "zone", "statutory", "conservative"),
    [
        (RULES["can-spam"], "email", "America/New_York", (2026, 12, 7), (2026, 12, 3)),
        (RULES["tcpa"], "sms", "America/New_York", (2026, 12, 7), (2026, 12, 3)),
        (RULES["casl"], "email", "America/Toronto", (2026, 12, 4), (2026, 12, 3)),
        (RULES["gmail"], "email", "America/New_York", (2026, 11, 22), (2026, 11, 22)),
        (RULES["yahoo"], "email", "America/New_York", (2026, 11, 22), (2026, 11, 22)),
        (RULES["do-not-call"], "sms", "America/New_York", (2026, 12, 7), (2026, 12, 3)),
        (RULES["florida"], "sms", "America/New_York", (2026, 12, 5), (2026, 12, 5)),
        (
            RULES["ccpa"],
            "third_party_sharing",
            "America/Los_Angeles",
            (2026, 12, 14),
            (2026, 12, 10),
        ),
        (
            RULES["ccpa-request"],
            "privacy_request",
            "America/Los_Angeles",
            (2027, 1, 4),
            (2027, 1, 4),
        ),
        (RULES["ccpa-receipt"], "notice", "America/Los_Angeles", (2026, 12, 7), (2026, 12, 3)),
        (RULES["delete-act"], "registry", "America/Los_Angeles", (2027, 1, 4), (2027, 1, 4)),
        (RULES["gdpr"], "notice", "Europe/Berlin", (2026, 12, 20), (2026, 12, 20)),
        (RULES["uk-electronic"], "sms", "Europe/London", (2026, 12, 18), (2026, 12, 18)),
        (RULES["uk-post"], "post", "Europe/London", (2027, 1, 20), (2027, 1, 20)),
        (RULES["australia"], "email", "Australia/Sydney", (2026, 11, 26), (2026, 11, 26)),
        (RULES["new-zealand"], "email", "Pacific/Auckland", (2026, 11, 27), (2026, 11, 26)),
        (RULES["singapore"], "email", "Asia/Singapore", (2026, 12, 4), (2026, 12, 3)),
        (RULES["hong-kong"], "email", "Asia/Hong_Kong", (2026, 12, 4), (2026, 12, 3)),
        (RULES["korea"], "notice", "Asia/Seoul", (2026, 12, 4), (2026, 12, 4)),
        (HOUSE_DEFAULT, "email", "America/New_York", (2026, 11, 30), (2026, 11, 30)),
    ],
    ids=lambda value: value.id if isinstance(value, Rule) else "",
)
def test_the_last_lawful_days_of_a_friday_in_november(rule, channel, zone, statutory, conservative):
    found = of_rule(
        rule, at(2026, 11, 20, 12, zone=ZoneInfo(zone)), channel=channel, domain=None, zone=zone
    )
    assert found.statutory_day == date(*statutory)
    assert found.conservative_day == date(*conservative)


@pytest.mark.parametrize(
    ("rule", "channel", "zone", "moment", "statutory"),
    [
        ("can-spam", "email", "America/New_York", (2026, 12, 24, 12), (2027, 1, 11)),
        ("tcpa", "sms", "America/New_York", (2026, 12, 24, 12), (2027, 1, 11)),
        ("australia", "email", "Australia/Sydney", (2026, 12, 24, 12), (2027, 1, 4)),
        ("australia", "email", "Australia/Sydney", (2026, 11, 21, 12), (2026, 11, 27)),
    ],
)
def test_holidays_and_weekends_are_skipped(rule, channel, zone, moment, statutory):
    found = of_rule(RULES[rule], at(*moment, zone=ZoneInfo(zone)), channel=channel, zone=zone)
    assert found.statutory_day == date(*statutory)


def test_with_effect_from_a_day_ends_as_that_day_begins():
    auckland = ZoneInfo("Pacific/Auckland")
    noon = at(2026, 11, 20, 12, zone=auckland)
    found = of_rule(RULES["new-zealand"], noon, zone="Pacific/Auckland")
    assert found.statutory_at == at(2026, 11, 27, zone=auckland)
    assert found.conservative_at == at(2026, 11, 26, zone=auckland)


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ("1 month", (2026, 1, 31), (2026, 2, 28)),
        ("1 month", (2028, 1, 31), (2028, 2, 29)),
        ("1 month", (2026, 12, 15), (2027, 1, 15)),
        ("2 months", (2026, 12, 31), (2027, 2, 28)),
        ("2 months", (2026, 6, 30), (2026, 8, 30)),
        ("12 months", (2028, 2, 29), (2029, 2, 28)),
        ("0 months", (2026, 6, 30), (2026, 6, 30)),
    ],
)
def test_months_end_on_the_same_day_of_the_month_or_its_last(window, first, last):
    rule = replace(RULES["uk-post"], window=Span.parse(window), time_zones=())
    found = of_rule(rule, at(*first, 12), channel="post")
    assert found.statutory_at == at(*last, 23, 59, 59, 999999)
    assert found.conservative_at == at(*last, 12)


def test_months_whose_first_day_counts_end_a_day_earlier():
    rule = replace(RULES["uk-post"], first_day_counts=True)
    found = of_rule(rule, at(2026, 11, 20, 12), channel="post")
    assert found.statutory_day == date(2027, 1, 19)


def test_a_promise_of_ten_days_beats_ten_business_days():
    found = of([RULES["can-spam"]], received(at(2026, 11, 20, 12)), promise=TEN_DAYS)
    assert found.set_by == "promise"
    assert found.binding.statutory_day == date(2026, 11, 30)
    assert found.reckonings[0].statutory_day == date(2026, 12, 7)
    assert found.conservative_at == at(2026, 11, 30, 12)
    assert found.statutory_at == at(2026, 11, 30, 23, 59, 59, 999999)


def test_days_end_with_the_day_in_the_brands_zone():
    found = of_rule(RULES["can-spam"], at(2026, 11, 20, 12))
    assert found.statutory_at == at(2026, 12, 7, 23, 59, 59, 999999)
    in_tokyo = of_rule(RULES["can-spam"], at(2026, 11, 20, 12), zone="Asia/Tokyo")
    # There it is Saturday already, so that Monday is the first day counted all the same.
    assert in_tokyo.statutory_at == at(2026, 12, 7, 23, 59, 59, 999999, zone=ZoneInfo("Asia/Tokyo"))


def test_where_the_rule_says_whose_days_they_are_those_count():
    late = datetime(2026, 11, 21, 3, tzinfo=UTC)  # Friday 22:00 in New York
    rule = replace(RULES["florida"], time_zone="America/New_York")
    found = of_rule(rule, late, channel="sms", zone="UTC")
    assert found.statutory_at == at(2026, 12, 5, 23, 59, 59, 999999)


@pytest.mark.parametrize("rule", ["gmail", "yahoo"])
def test_elapsed_time_ends_at_the_same_clock_time_whatever_the_clocks_do(rule):
    before = at(2026, 3, 7, 12)  # the night after, clocks in New York go forward
    found = of_rule(RULES[rule], before, domain=None)
    elapsed = found.statutory_at - before.astimezone(UTC)
    assert elapsed == timedelta(hours=48)
    assert found.conservative_at == found.statutory_at


def test_calendar_days_read_strictly_end_at_the_same_time_of_day():
    over_the_change = of([], received(at(2026, 3, 5, 12)), promise=TEN_DAYS)
    assert over_the_change.conservative_at == at(2026, 3, 15, 12)
    over_the_other = of([], received(at(2026, 10, 30, 12)), promise=TEN_DAYS)
    # 240 hours end before the clock shows the same time again: the earlier of the two counts.
    assert over_the_other.conservative_at == at(2026, 11, 9, 11)


def test_read_strictly_the_day_ends_where_it_ends_first():
    evening = at(2026, 11, 18, 8)  # Wednesday morning in New York, the evening in Guam
    found = of_rule(RULES["can-spam"], evening)
    assert found.conservative.zone == "Pacific/Guam"
    assert found.conservative_at == at(
        2026, 12, 1, 23, 59, 59, 999999, zone=ZoneInfo("Pacific/Guam")
    )


def test_receipt_starts_some_clocks_and_sending_others():
    moments = received(at(2026, 11, 24, 12), sent_at=at(2026, 11, 20, 12))
    casl, can_spam = of(rules_of(["casl", "can-spam"]), moments).reckonings
    assert casl.started_at == at(2026, 11, 20, 12)
    assert can_spam.started_at == at(2026, 11, 24, 12)


def test_a_promise_that_names_no_moment_is_read_from_receipt_and_strictly_from_sending():
    moments = received(at(2026, 11, 24, 12), sent_at=at(2026, 11, 20, 12))
    found = of([], moments, promise=TEN_DAYS)
    assert found.binding.statutory_day == date(2026, 12, 4)
    assert found.conservative_at == at(2026, 11, 30, 12)


def test_a_clock_elsewhere_cannot_put_a_deadline_off():
    true = of([RULES["casl"]], received(at(2026, 11, 20, 12)))
    ahead = Moments(
        sent_at=at(2030, 1, 1), received_at=at(2029, 1, 1), recorded_at=at(2026, 11, 20, 12)
    )
    assert of([RULES["casl"]], ahead).conservative_at == true.conservative_at


@pytest.mark.parametrize("sent_at", [datetime.min.replace(tzinfo=UTC), at(1970, 1, 1)])
def test_a_clock_that_is_far_behind_is_believed_for_a_year(sent_at):
    moments = received(at(2026, 11, 20, 12), sent_at=sent_at)
    assert moments.sent == at(2025, 11, 19, 12)
    assert of(list(RULES.values()), moments, domain=None).conservative_at < moments.received


@pytest.mark.parametrize("which", ["sent_at", "received_at", "recorded_at"])
def test_a_time_without_a_zone_is_no_moment(which):
    moments = dict.fromkeys(["sent_at", "received_at", "recorded_at"], at(2026, 11, 20))
    with pytest.raises(ValueError, match="time zone"):
        Moments(**moments | {which: datetime(2026, 11, 20)})  # noqa: DTZ001


@pytest.mark.parametrize(
    ("domain", "rules"),
    [
        ("gmail.com", ["gmail"]),
        ("GoogleMail.com.", ["gmail"]),
        ("yahoo.com", ["yahoo"]),
        ("yahoo.com.br", ["yahoo"]),
        ("aol.de", ["yahoo"]),
        ("ymail.com", ["yahoo"]),
        ("notyahoo.com", []),
        ("yahoo", []),
        ("mail.gmail.com", []),
        ("gmail.com.example.org", []),
        (None, ["gmail", "yahoo"]),
    ],
)
def test_providers_rules_are_for_their_own_mailboxes(domain, rules):
    found = of(rules_of(["gmail", "yahoo"]), received(at(2026, 11, 20)), domain=domain)
    assert [one.id for one in found.reckonings] == (rules or ["house-default"])


def test_a_rule_is_for_its_channels():
    moments = received(at(2026, 11, 20))
    rules = list(RULES.values())
    by_channel = {
        channel: {one.id for one in of(rules, moments, channel=channel).reckonings}
        for channel in ("email", "sms", "post", "third_party_sharing")
    }
    pacific = {"australia", "new-zealand", "singapore", "hong-kong"}
    assert by_channel == {
        "email": {"can-spam", "casl", "uk-electronic", *pacific},
        "sms": {"tcpa", "do-not-call", "florida", "casl", "uk-electronic", *pacific},
        "post": {"uk-post"},
        "third_party_sharing": {"ccpa"},
    }


def test_a_rule_about_something_else_never_enters_the_deadline_of_an_opt_out():
    others = {"ccpa-request", "ccpa-receipt", "delete-act", "gdpr", "korea"}
    found = of(rules_of(sorted(others)), received(at(2026, 11, 20)), country="US")
    assert not others & {one.id for one in found.reckonings}
    request = of(rules_of(["ccpa-request"]), received(at(2026, 11, 20)), channel="privacy_request")
    assert request.set_by == "ccpa-request"


@pytest.mark.parametrize("matter", ["privacy_request", "notice", "registry"])
def test_the_house_has_a_default_for_opt_outs_only(matter):
    with pytest.raises(NoRuleAbout):
        of(rules_of(["can-spam"]), received(at(2026, 11, 20)), channel=matter)


def test_where_nothing_applies_the_house_gives_ten_days():
    found = of([], received(at(2026, 11, 20, 12)))
    assert found.set_by == "house-default"
    assert found.conservative_at == at(2026, 11, 30, 12)


def test_a_promise_about_something_else_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="says nothing about sms"):
        of([], received(at(2026, 11, 20)), promise=TEN_DAYS, channel="sms")
    with pytest.raises(ValueError, match="says nothing about sms"):
        honour.shortest_window([], TEN_DAYS, channel="sms")


def test_the_target_comes_before_the_deadline_or_with_it():
    promise = Promise("email", Span(14, "calendar_days"), target=Span(5, "calendar_days"))
    moments = received(at(2026, 11, 20, 12))
    assert of([], moments, promise=promise).target_at == at(2026, 11, 25, 12)
    at_gmail = of(rules_of(["gmail"]), moments, promise=promise, domain="gmail.com")
    assert at_gmail.target_at == at_gmail.conservative_at == at(2026, 11, 22, 12)
    assert of([], moments, promise=TEN_DAYS).target_at is None


def test_a_promise_in_business_days_knows_the_holidays_of_the_brands_country():
    for holidays, day in (
        ("US", date(2026, 12, 7)),
        ("GB-ENG", date(2026, 12, 4)),
        (None, date(2026, 12, 4)),
    ):
        promise = Promise("email", Span(10, "business_days"), holidays=holidays)
        found = of([], received(at(2026, 11, 20, 12)), promise=promise)
        assert found.statutory_at.astimezone(NEW_YORK).date() == day


def test_number_and_unit_stay_as_written():
    some = rules_of(["can-spam", "uk-electronic", "gmail", "yahoo"])
    found = of(some, received(at(2026, 11, 20)), promise=TEN_DAYS, domain=None)
    assert [(one.id, one.number, one.unit) for one in found.reckonings] == [
        ("can-spam", 10, "business_days"),
        ("uk-electronic", 28, "calendar_days"),
        ("gmail", 48, "hours"),
        ("yahoo", 2, "calendar_days"),
        ("promise", 10, "calendar_days"),
    ]
