import re

import pytest

from prefsvc.errors import RulesRefusal
from prefsvc.honour import Span, load_rules, parse_rules, rules_of

GOOD = {
    "title": '"A law"',
    "source": '"its text"',
    "window": '"10 business days"',
    "counted_from": '"received"',
    "about": '["email"]',
}


def written(**changes):
    keys = GOOD | changes
    return "[law]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


def test_every_law_with_a_number_of_days_ships_as_it_is_written():
    rules = load_rules()
    assert {one.id: one.window.written for one in rules.values()} == {
        "can-spam": "10 business days",
        "tcpa": "10 business days",
        "do-not-call": "10 business days",
        "florida": "15 days",
        "ccpa": "15 business days",
        "ccpa-request": "45 days",
        "ccpa-receipt": "10 business days",
        "delete-act": "45 days",
        "casl": "10 business days",
        "gdpr": "1 month",
        "uk-electronic": "28 days",
        "uk-post": "2 months",
        "australia": "5 business days",
        "new-zealand": "5 business days",
        "singapore": "10 business days",
        "hong-kong": "10 business days",
        "korea": "14 days",
        "gmail": "48 hours",
        "yahoo": "2 days",
    }
    numbers = [re.search(r"\((L-\d\d)\)$", one.source)[1] for one in rules.values()]
    assert sorted(set(numbers)) == [
        f"L-{n:02}" for n in (1, 3, 4, 6, 7, 8, 9, 10, 11, 14, 20, 21, 22, 23, 30, 40)
    ]


def test_laws_have_countries_and_mail_providers_have_none():
    assert {one.id for one in load_rules().values() if not one.countries} == {"gmail", "yahoo"}


def test_a_message_on_whatsapp_is_a_text_to_every_rule():
    for rule in load_rules().values():
        assert ("whatsapp" in rule.about) == ("sms" in rule.about), rule.id


def test_clocks_start_with_what_the_law_names():
    starts = {one.id: one.counted_from for one in load_rules().values()}
    assert {one: start for one, start in starts.items() if start != "received"} == {
        "delete-act": "pulled",
        "casl": "sent",
        "australia": "sent",
        "new-zealand": "used",
        "singapore": "submitted",
        "hong-kong": "sent",
    }
    assert [one.id for one in load_rules().values() if one.first_day_counts] == ["australia"]


def test_rules_are_found_by_their_ids_in_the_order_asked():
    assert [one.id for one in rules_of(["tcpa", "can-spam"])] == ["tcpa", "can-spam"]
    with pytest.raises(KeyError):
        rules_of(["house-default"])


def test_a_rule_holds_everything_that_its_table_says():
    rule = parse_rules(
        written(
            first_day_counts="true",
            ends='"start_of_day"',
            holidays='"AU-NSW"',
            time_zone='"Australia/Sydney"',
            time_zones='["UTC"]',
            recipient_domains='["yahoo.*"]',
            about='["email", "third_party_sharing"]',
            countries='["US", "PR"]',
        )
    )["law"]
    assert (rule.id, rule.title, rule.source) == ("law", "A law", "its text")
    assert rule.window == Span(10, "business_days")
    assert (rule.counted_from, rule.first_day_counts, rule.ends) == (
        "received",
        True,
        "start_of_day",
    )
    assert (rule.holidays, rule.time_zone, rule.time_zones) == (
        "AU-NSW",
        "Australia/Sydney",
        ("UTC",),
    )
    assert rule.about == {"email", "third_party_sharing"}
    assert rule.recipient_domains == {"yahoo.*"}
    assert rule.countries == {"US", "PR"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": None}, "1: law: title is missing"),
        ({"title": "1"}, "2: law.title: must be text in quotes, not a number"),
        ({"window": '"two weeks"'}, '4: law.window: "two weeks" is not "14 days"'),
        ({"window": '"1001 days"'}, "law.window: a span is from 0 to 1000"),
        ({"counted_from": '"recieved"'}, '5: law.counted_from: "recieved" is not known here; did'),
        ({"counted_from": '"unsaid"'}, '"unsaid" is not known here'),
        ({"about": '"email"'}, "6: law.about: must be a list"),
        ({"about": '["fax"]'}, '6: law.about[0]: "fax" is not known here; allowed: email, notice'),
        ({"about": "[]"}, "law: about is missing: list at least one of email"),
        ({"countries": '["UK"]'}, '7: law.countries[0]: "UK" is not a country'),
        ({"countries": '["us"]'}, 'law.countries[0]: "us" is not a country'),
        ({"ends": '"noon"'}, '7: law.ends: "noon" is not known here; allowed: end_of_day'),
        ({"ends": '"same_time"'}, "7: law.ends: business days and months end with a day"),
        (
            {"ends": '"same_time"', "window": '"1 month"'},
            "7: law.ends: business days and months end with a day",
        ),
        ({"first_day_counts": '"yes"'}, "law.first_day_counts: must be true or false, not text"),
        ({"holidays": '"XX"'}, '7: law.holidays: no holidays are known for "XX"'),
        ({"time_zone": '"Mars/Olympus"'}, 'law.time_zone: "Mars/Olympus" is not an IANA time zone'),
        ({"time_zones": '["../UTC"]'}, 'law.time_zones[0]: "../UTC" is not an IANA time zone'),
        ({"recipient_domains": '["gmail"]'}, 'law.recipient_domains[0]: "gmail" is not a domain'),
        (
            {"recipient_domain": '["gmail.com"]'},
            '7: law.recipient_domain: no such key; did you mean "recipient_domains"?',
        ),
    ],
)
def test_a_typo_is_refused_with_its_line_rule_and_key(changes, said):
    with pytest.raises(RulesRefusal) as refused:
        parse_rules(written(**changes))
    assert str(refused.value).startswith("rules.toml:")
    assert said in str(refused.value)


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(RulesRefusal) as refused:
        parse_rules(written(window='"soon"', about='["fax"]') + "[other]\n")
    assert len(str(refused.value).splitlines()) == 2 + len(GOOD)


def test_broken_toml_is_refused_with_its_place():
    with pytest.raises(RulesRefusal, match=r"^rules\.toml:2:9: Invalid value$"):
        parse_rules("[law]\ntitle = A law\n")


@pytest.mark.parametrize("text", ["[promise]", "[house-default]", "[Law]", "law = 1"])
def test_reserved_ids_and_stray_keys_are_refused(text):
    with pytest.raises(RulesRefusal, match=r"name the rule otherwise|must be a table"):
        parse_rules(text)


@pytest.mark.parametrize(
    ("text", "span", "written"),
    [
        ("14 days", Span(14, "calendar_days"), "14 days"),
        ("14 calendar days", Span(14, "calendar_days"), "14 days"),
        ("1 day", Span(1, "calendar_days"), "1 day"),
        ("10 business days", Span(10, "business_days"), "10 business days"),
        ("1 business day", Span(1, "business_days"), "1 business day"),
        ("48 hours", Span(48, "hours"), "48 hours"),
        ("1 hours", Span(1, "hours"), "1 hour"),
        ("0 hours", Span(0, "hours"), "0 hours"),
        ("1 month", Span(1, "months"), "1 month"),
        ("2 months", Span(2, "months"), "2 months"),
    ],
)
def test_a_span_is_read_and_written_with_its_own_number_and_unit(text, span, written):
    assert Span.parse(text) == span
    assert span.written == written
    assert Span.parse(written) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "14",
        "days",
        "-1 days",
        "1.5 days",
        "2 weeks",
        "14  days",
        "14 Days",
        "1001 days",
        "٣ days",
    ],
)
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ValueError, match=r"is not|from 0 to 1000"):
        Span.parse(text)
