"""Counting days: weekends, holidays, time zones.

Holidays come from the `holidays` library and are kept per calendar and year; counts are kept too,
since the opt-outs of one day all ask for the same few. All caches are bounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import holidays

CALENDAR_VERSION: Final = f"holidays {version('holidays')}"

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
_DAYS_MAX: Final = 1 << 14
"""So many days of zones are kept: four years of a list in the eight zones of a country."""

NamedDays: TypeAlias = tuple[tuple[date, str], ...]
"""Holidays, with their names."""


@dataclass(frozen=True, slots=True)
class Count:
    """The last day of a count, and the holidays among the weekdays that were passed over."""

    last: date
    skipped: NamedDays = ()


@lru_cache(maxsize=4096)
def count_business_days(
    first: date, number: int, *, first_counts: bool, calendar: str | NamedDays | None
) -> Count:
    """Count business days from a first day, which itself counts only if it is one and is asked to.

    Saturdays, Sundays and the calendar's holidays are no business days, or those that are given;
    without either only Saturdays and Sundays are not.
    """
    day = first - _DAY if first_counts and number else first
    skipped = []
    while number:
        day += _DAY
        if day.weekday() >= _SATURDAY:
            continue
        if name := _holiday(calendar, day):
            skipped.append((day, name))
        else:
            number -= 1
    return Count(day, tuple(skipped))


def _holiday(calendar: str | NamedDays | None, day: date) -> str | None:
    if isinstance(calendar, str):
        return holidays_of(calendar, day.year).get(day)
    return dict(calendar or ()).get(day)


@lru_cache(maxsize=1024)
def holidays_of(calendar: str, year: int) -> Mapping[date, str]:
    """Return a year's holidays of "US", "GB-ENG" ...: their dates and English names.

    The library loads itself at the first call of all (0.3 s); `load_rules` brings that about at the
    start. A year of a country then takes 1 ms, once.
    """
    country, _, subdivision = calendar.partition("-")
    return dict(
        holidays.country_holidays(
            country, subdiv=subdivision or None, years=year, language="en_US"
        ).items()
    )


def is_known_calendar(calendar: str) -> bool:
    """Say whether the library knows this country ("US") or part of one ("GB-ENG")."""
    country, dash, subdivision = calendar.partition("-")
    parts = holidays.list_supported_countries(include_aliases=False).get(country)
    return parts is not None and (not dash or subdivision in parts)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return a time zone; kept here because ZoneInfo itself keeps only the last eight."""
    return ZoneInfo(name)


@lru_cache(maxsize=_DAYS_MAX)
def start_of_day(day: date, zone_name: str) -> datetime:
    """Return the moment with which a day begins in a zone, in UTC."""
    return datetime.combine(day, time.min, tzinfo=zone(zone_name)).astimezone(UTC)


@lru_cache(maxsize=_DAYS_MAX)
def end_of_day(day: date, zone_name: str) -> datetime:
    """Return a day's last microsecond in a zone, in UTC, so that it still bears the day's date."""
    return datetime.combine(day, time.max, tzinfo=zone(zone_name)).astimezone(UTC)
