import re

import pytest

from prefsvc.honour import Span, load_rules, parse_rules, rules_of

GOOD = {
    "title": '"A law"',
    "source": '"its text"',
    "window": '"10 business days"',
    "counted_from": '"received"',
    "channels": '["email"]',
}


def written(**changes):
    keys = GOOD | changes
    return "[law]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


def test_the_first_set_ships():
    rules = load_rules()
    assert list(rules) == ["can-spam", "tcpa", "casl", "gmail", "yahoo"]
    assert {one.id: one.window.written for one in rules.values()} == {
        "can-spam": "10 business days",
        "tcpa": "10 business days",
        "casl": "10 business days",
        "gmail": "48 hours",
        "yahoo": "2 days",
    }
    assert all(re.search(r"\(L-\d\d\)$", one.source) for one in rules.values())


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
            channels='["email", "third_party_sharing"]',
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
    assert rule.channels == {"email", "third_party_sharing"}
    assert rule.recipient_domains == {"yahoo.*"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": None}, "'title'"),
        ({"title": "1"}, "1 is not text"),
        ({"window": '"two weeks"'}, '"two weeks" is not'),
        ({"counted_from": '"recieved"'}, "'recieved' is none of sent"),
        ({"channels": '"email"'}, "'email' is not a list"),
        ({"channels": '["fax"]'}, "'fax' is none of email"),
        ({"channels": "[]"}, "no channel"),
        ({"ends": '"noon"'}, "'noon' is none of end_of_day"),
        ({"ends": '"same_time"'}, "business days end with a day"),
        ({"first_day_counts": '"yes"'}, "'yes' is neither true nor false"),
        ({"holidays": '"XX"'}, "no holidays are known for 'XX'"),
        ({"time_zone": '"Mars/Olympus"'}, "Mars/Olympus"),
        ({"time_zones": '["../UTC"]'}, "../UTC"),
        ({"recipient_domain": '["gmail.com"]'}, "unknown keys ['recipient_domain']"),
    ],
)
def test_a_rule_that_cannot_be_read_stops_the_start(changes, said):
    with pytest.raises(ValueError, match=r"^rule law: ") as refused:
        parse_rules(written(**changes))
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["promise = 1", "[promise]", "[house-default]", "law = 1"])
def test_reserved_ids_and_stray_keys_are_refused(text):
    with pytest.raises(ValueError, match="not a table of its own, or a reserved id"):
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
