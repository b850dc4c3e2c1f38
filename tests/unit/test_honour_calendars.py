import json
from bisect import bisect_right
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefsvc.honour import CALENDAR_VERSION, Moments, deadline, is_known_calendar, rules_of
from prefsvc.honour.business_days import count_business_days, holidays_of

BANK_HOLIDAYS = "holidays/govuk_bank_holidays_to_2026.json"
DIVISIONS = {
    "GB-ENG": "common.nations.england-and-wales_slug",
    "GB-WLS": "common.nations.england-and-wales_slug",
    "GB-SCT": "common.nations.scotland_slug",
    "GB-NIR": "common.nations.northern-ireland_slug",
}


@pytest.fixture(scope="module")
def divisions(corpora):
    """The British government's bank holidays, by division and year."""
    return json.loads((corpora / BANK_HOLIDAYS).read_text("utf-8"))["divisions"]


def official(division):
    years = {int(year): events for year, events in division.items() if year.isdigit()}
    return {
        year: {day(event["date"]) for event in events} for year, events in sorted(years.items())
    }


def test_every_division_of_the_corpus_has_a_calendar_here(divisions):
    assert set(divisions) == set(DIVISIONS.values())


@pytest.mark.parametrize("calendar", DIVISIONS)
def test_holidays_agree_with_the_british_government_in_every_year(calendar, divisions):
    years = official(divisions[DIVISIONS[calendar]])
    assert len(years) > 5
    for year, days in years.items():
        assert {one for one in holidays_of(calendar, year) if one.weekday() < 5} == days


@pytest.mark.parametrize("calendar", DIVISIONS)
def test_business_days_are_counted_as_by_the_british_government(calendar, divisions):
    years = official(divisions[DIVISIONS[calendar]])
    closed = set().union(*years.values())
    first, last = date(min(years), 1, 1), date(max(years), 12, 31)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    business_days = [one for one in days if one.weekday() < 5 and one not in closed]
    for start in days[:-40]:
        after = bisect_right(business_days, start)
        for number in (1, 5, 10, 15):
            count = count_business_days(start, number, first_counts=False, calendar=calendar)
            assert count.last == business_days[after + number - 1]


def day(text):
    return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a date


@pytest.mark.parametrize("year", [2010, 2021, 2027])
def test_a_new_year_observed_in_the_old_one_is_a_holiday_of_the_old_one(year):
    assert date(year, 12, 31) in holidays_of("US", year)


@settings(deadline=None)  # calendars load at their first use
@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(1, 30),
    st.booleans(),
    st.sampled_from(["US", "GB-NIR", None]),
)
def test_counting_is_taking_the_nth_of_the_days_that_count(first, number, first_counts, calendar):
    count = count_business_days(first, number, first_counts=first_counts, calendar=calendar)
    days = [first + timedelta(days=n) for n in range(not first_counts, 120)]
    weekdays = [one for one in days if one.weekday() < 5]
    holidays = [one for one in weekdays if calendar and one in holidays_of(calendar, one.year)]
    assert count.last == [one for one in weekdays if one not in holidays][number - 1]
    assert [one for one, _ in count.skipped] == [one for one in holidays if one < count.last]


def test_no_business_days_end_on_the_first_day():
    sunday = date(2026, 11, 22)
    for first_counts in (True, False):
        count = count_business_days(sunday, 0, first_counts=first_counts, calendar="US")
        assert count.last == sunday


@pytest.mark.parametrize("calendar", ["US", "US-CA", "GB", "GB-SCT", "CA", "CA-ON", "AU-NSW", "NZ"])
def test_calendars_are_named_by_country_and_part(calendar):
    assert is_known_calendar(calendar)
    assert holidays_of(calendar, 2026)


@pytest.mark.parametrize("calendar", ["", "us", "XX", "US-", "US-XX", "GB-ENG-X", "NYSE"])
def test_other_calendars_are_not_known(calendar):
    assert not is_known_calendar(calendar)


def test_holidays_have_english_names():
    assert holidays_of("DE", 2026)[date(2026, 12, 25)] == "Christmas Day"
    assert holidays_of("US", 2026)[date(2026, 11, 26)] == "Thanksgiving Day"


def test_the_calendars_version_is_named():
    assert CALENDAR_VERSION.startswith("holidays 0.")


def test_the_second_deadline_of_a_day_asks_no_calendar():
    rules = rules_of(["can-spam", "casl"])
    moment = datetime.fromisoformat("2026-11-20T17:00:00+00:00")

    def ask(after):
        at = moment + after
        moments = Moments(received_at=at, recorded_at=at)
        deadline(rules, None, moments, channel="email", recipient_domain=None, time_zone="UTC")

    ask(timedelta(0))
    known = holidays_of.cache_info(), count_business_days.cache_info().misses
    ask(timedelta(minutes=10))
    assert (holidays_of.cache_info(), count_business_days.cache_info().misses) == known
