import json
from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given, settings

from prefsvc import honour
from prefsvc.honour import CALENDAR_VERSION, Deadline, Moments, Promise, Span, rules_of, sentence
from tests.unit.test_honour_properties import of, opt_outs, places, promises

NOON = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("America/New_York"))
PROMISE = Promise("email", Span(10, "calendar_days"), target=Span(5, "calendar_days"))


def friday_noon(rules, promise=None, **changes):
    return honour.deadline(
        rules_of(rules),
        promise,
        Moments(received_at=NOON, recorded_at=NOON),
        **{"channel": "email", "recipient_domain": None, "time_zone": "America/New_York"} | changes,
    )


def test_business_days_are_explained_with_the_days_that_were_skipped():
    assert sentence(friday_noon(["can-spam"]).binding) == (
        "10 business days from receipt on Friday 20 November 2026, 12:00 (America/New_York);"
        " the first day does not count, and Saturdays, Sundays and"
        " Thanksgiving Day (Thursday 26 November 2026) are skipped:"
        " until Monday 7 December 2026, 23:59 (America/New_York)."
        " Read most strictly, the first day counts and no holiday is skipped:"
        " until Thursday 3 December 2026, 23:59 (America/Puerto_Rico)."
    )


def test_elapsed_time_is_explained_without_days():
    assert sentence(friday_noon(["gmail"]).binding) == (
        "48 hours from receipt on Friday 20 November 2026, 12:00 (America/New_York):"
        " until Sunday 22 November 2026, 12:00 (America/New_York). There is no stricter reading."
    )
    assert sentence(friday_noon(["yahoo"]).binding).startswith(
        "2 days from receipt on Friday 20 November 2026, 12:00 (America/New_York): until Sunday 22"
    )


def test_calendar_days_are_explained_in_both_readings():
    assert sentence(friday_noon([], PROMISE).binding) == (
        "10 days from receipt on Friday 20 November 2026, 12:00 (America/New_York);"
        " the first day does not count:"
        " until Monday 30 November 2026, 23:59 (America/New_York)."
        " Read most strictly, it ends at the same time of day:"
        " until Monday 30 November 2026, 12:00 (America/New_York)."
    )


def test_a_strictest_reading_that_runs_from_sending_is_said_to():
    sent_at = NOON.replace(day=18)
    moments = Moments(sent_at=sent_at, received_at=NOON, recorded_at=NOON)
    found = honour.deadline(
        [], PROMISE, moments, channel="email", recipient_domain=None, time_zone="America/New_York"
    )
    assert sentence(found.binding).endswith(
        " Read most strictly, it runs from sending on"
        " Wednesday 18 November 2026, 12:00 (America/New_York),"
        " and it ends at the same time of day:"
        " until Saturday 28 November 2026, 12:00 (America/New_York)."
    )
    assert found.to_document()["reckonings"][0]["earliest_at"] == "2026-11-18T17:00:00+00:00"


def test_a_first_day_that_counts_is_said_to():
    rule = honour.parse_rules("""
[australia]
title = "Australia"
source = "L-20"
window = "5 business days"
counted_from = "sent"
first_day_counts = true
about = ["email"]
""")["australia"]
    moments = Moments(received_at=NOON, recorded_at=NOON)
    found = honour.deadline(
        [rule], None, moments, channel="email", recipient_domain=None, time_zone="Australia/Sydney"
    )
    assert "5 business days from sending on Saturday 21 November 2026, 04:00" in found.explain()
    assert "the first day counts, and Saturdays and Sundays are skipped" in found.explain()


def test_the_whole_explanation_says_what_binds_and_how_each_window_was_counted():
    lines = friday_noon(["can-spam", "gmail"], PROMISE).explain().splitlines()
    sunday = "Sunday 22 November 2026, 12:00 (America/New_York)"
    assert lines[:3] == [
        f"The deadline is {sunday}.",
        f"gmail says so; in the ordinary reading: {sunday}.",
        f"The brand aims at {sunday}.",
    ]
    assert [line.partition(": ")[0] for line in lines[3:6]] == [
        "- can-spam, US CAN-SPAM Act",
        "- gmail, Gmail's rule for bulk senders",
        "- promise, the brand's own promise",
    ]
    assert lines[6:] == [f"Holidays as in {CALENDAR_VERSION}."]


def test_without_a_target_none_is_explained():
    assert "aims at" not in friday_noon(["can-spam"]).explain()


def test_the_ledger_keeps_each_window_as_written_with_its_outcome():
    document = friday_noon(["can-spam"], PROMISE, time_zone="America/Chicago").to_document()
    assert document == {
        "statutory_at": "2026-12-01T05:59:59.999999+00:00",
        "conservative_at": "2026-11-30T17:00:00+00:00",
        "target_at": "2026-11-25T17:00:00+00:00",
        "set_by": "promise",
        "explanation": sentence(friday_noon([], PROMISE, time_zone="America/Chicago").binding),
        "reckonings": [
            {
                "id": "can-spam",
                "number": 10,
                "unit": "business_days",
                "counted_from": "received",
                "started_at": "2026-11-20T17:00:00+00:00",
                "statutory_at": "2026-12-08T05:59:59.999999+00:00",
                "statutory_day": "2026-12-07",
                "conservative_at": "2026-12-04T03:59:59.999999+00:00",
                "conservative_day": "2026-12-03",
                "holidays": "US",
                "skipped": ["2026-11-26"],
                "conservative_zone": "America/Puerto_Rico",
            },
            {
                "id": "promise",
                "number": 10,
                "unit": "calendar_days",
                "counted_from": "unsaid",
                "started_at": "2026-11-20T17:00:00+00:00",
                "statutory_at": "2026-12-01T05:59:59.999999+00:00",
                "statutory_day": "2026-11-30",
                "conservative_at": "2026-11-30T17:00:00+00:00",
                "conservative_day": "2026-11-30",
            },
        ],
        "time_zone": "America/Chicago",
        "calendar": CALENDAR_VERSION,
    }


@settings(deadline=None)  # calendars load at their first use
@given(promises, opt_outs(), places)
def test_any_deadline_can_be_kept_as_json_and_explained(promise, moments, place):
    found = of(honour.load_rules().values(), promise, moments, **place)
    document = found.to_document()
    assert json.loads(json.dumps(document)) == document
    assert document["set_by"] in {one["id"] for one in document["reckonings"]}
    for key in ("statutory_at", "conservative_at"):
        assert datetime.fromisoformat(document[key]) == getattr(found, key)
    outcomes = 2 + bool(promise and promise.target) + bool(place["country"])
    assert len(found.explain().splitlines()) == outcomes + len(found.reckonings) + 1


@settings(deadline=None)  # calendars load at their first use
@given(promises, opt_outs(), places)
def test_a_deadline_is_read_back_as_it_was_kept(promise, moments, place):
    found = of(honour.load_rules().values(), promise, moments, **place)
    kept = json.loads(json.dumps(found.to_document()))
    assert Deadline.from_document(kept) == found
    assert Deadline.from_document(kept).explain() == found.explain()


def test_a_deadline_of_a_rule_that_is_gone_can_still_be_explained():
    kept = friday_noon(["can-spam"]).to_document()
    kept["reckonings"][0] |= {"id": "can-spam-1", "skipped": ["2026-11-24"]}
    said = Deadline.from_document(kept | {"set_by": "can-spam-1"}).explain()
    assert "- can-spam-1, can-spam-1: 10 business days from receipt on Friday" in said
    assert "a holiday (Tuesday 24 November 2026) are skipped" in said


def test_a_deadline_that_was_kept_before_countries_counted_is_read():
    found = friday_noon(["can-spam"])
    assert not {"country", "added", "dropped"} & found.to_document().keys()
    assert Deadline.from_document(found.to_document()).country is None


def test_a_country_is_explained_with_what_it_added_and_dropped():
    found = friday_noon(["can-spam", "casl", "gmail"], country="NZ")
    assert found.explain().splitlines()[2] == (
        "The recipient's country is New Zealand (NZ)."
        " Rules that therefore count, though unlisted: new-zealand."
        " Listed, but about other countries: can-spam, casl."
    )
    document = found.to_document()
    assert (document["country"], document["added"], document["dropped"]) == (
        "NZ",
        ["new-zealand"],
        ["can-spam", "casl"],
    )


def test_a_country_that_changes_nothing_is_named_alone():
    lines = friday_noon(["can-spam"], country="US").explain().splitlines()
    assert lines[2] == "The recipient's country is United States (US)."


def test_months_and_the_beginning_of_a_day_are_explained():
    month = friday_noon(["gdpr"], channel="notice").binding
    assert sentence(month) == (
        "1 month from receipt on Friday 20 November 2026, 12:00 (America/New_York);"
        " the first day does not count: until Sunday 20 December 2026, 23:59 (America/New_York)."
        " Read most strictly, it ends at the same time of day:"
        " until Sunday 20 December 2026, 12:00 (America/New_York)."
    )
    from_the_day = friday_noon(["new-zealand"]).binding
    assert "until Friday 27 November 2026, 00:00 (America/New_York)" in sentence(from_the_day)
