"""Reckoning one window from the moments of one opt-out, in two readings.

The *statutory* one is the ordinary reading: days end at midnight in the brand's zone (or the
rule's), the first day counts only where the rule says so, official holidays are no business days.
The *conservative* one is the earliest that anybody could read into the words (RULES L-51): business
days are Monday to Friday whatever the holidays, the first day counts when it is one, in whichever
zone ends first; calendar days and months end at the same time of day. It is the one that raises the
alarm, and it is never later than the other.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

from msgspec import Struct

from prefsvc.honour.business_days import (
    NamedDays,
    count_business_days,
    end_of_day,
    start_of_day,
    zone,
)
from prefsvc.honour.rules import CountedFrom, Ends, Rule
from prefsvc.honour.span import Span, Unit

_DAY: Final = timedelta(days=1)
_OLDEST: Final = timedelta(days=366)
_CLOCK_CHANGE: Final = timedelta(hours=2)  # no zone puts its clocks forward by more
_SHORTEST_MONTH_DAYS: Final = 28
_MONTHS_IN_A_YEAR: Final = 12
_FROM_RECEIPT: Final[tuple[CountedFrom, ...]] = ("received", "pulled")


class Moments(Struct, frozen=True, kw_only=True):
    """When an opt-out was said (where known), when it reached the company, when it was recorded."""

    sent_at: datetime | None = None
    received_at: datetime
    recorded_at: datetime

    def __post_init__(self) -> None:
        """Refuse times that name no moment."""
        for moment in (self.sent_at, self.received_at, self.recorded_at):
            if moment is not None and moment.utcoffset() is None:
                raise ValueError("a moment must carry a time zone")

    @property
    def received(self) -> datetime:
        """Return when it arrived, which cannot be after it was recorded, whatever a clock says."""
        return min(self.received_at, self.recorded_at).astimezone(UTC)

    @property
    def sent(self) -> datetime:
        """Return the earliest moment known: nothing arrives before it was sent.

        A clock that claims to be far behind (1970, year 1) is believed for a year at most.
        """
        received = self.received
        if self.sent_at is None:
            return received
        return max(min(self.sent_at, received), received - _OLDEST).astimezone(UTC)


Skipped: TypeAlias = NamedDays
"""Holidays that did not count, with their names."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a window ends: the last moment, the last day as it was counted, and in whose zone."""

    at: datetime
    day: date
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """One window as it came out, with all that is needed to count it again."""

    id: str
    title: str
    source: str
    window: Span
    counted_from: CountedFrom
    started_at: datetime
    earliest_at: datetime
    """What starts the conservative reading: sending, where the words do not say receipt."""
    first_day_counts: bool
    ends: Ends
    holidays: str | None
    skipped: Skipped
    statutory: Ending
    conservative: Ending

    @property
    def number(self) -> int:
        """Return the window's number, as written."""
        return self.window.number

    @property
    def unit(self) -> Unit:
        """Return the window's unit, as written."""
        return self.window.unit

    @property
    def statutory_at(self) -> datetime:
        """Return the last moment in the ordinary reading."""
        return self.statutory.at

    @property
    def conservative_at(self) -> datetime:
        """Return the last moment in the strictest reading."""
        return self.conservative.at

    @property
    def statutory_day(self) -> date:
        """Return the last day in the ordinary reading."""
        return self.statutory.day

    @property
    def conservative_day(self) -> date:
        """Return the last day in the strictest reading."""
        return self.conservative.day


def reckon(
    rule: Rule,
    *,
    received: datetime,
    sent: datetime,
    time_zone: str,
    skipped: Skipped | None = None,
) -> Reckoning:
    """Reckon one window from the two moments, in UTC; `time_zone` is the brand's.

    `skipped` are the holidays that are no business days, where they are known already; otherwise
    the rule's calendar says.
    """
    started_at, earliest = _starts(rule, received, sent)
    zone_name = rule.time_zone or time_zone
    statutory, skipped = _statutory(rule, started_at, zone_name, skipped)
    conservative = _conservative(rule, earliest, zone_name, time_zone)
    return Reckoning(
        id=rule.id,
        title=rule.title,
        source=rule.source,
        window=rule.window,
        counted_from=rule.counted_from,
        started_at=started_at,
        earliest_at=earliest,
        first_day_counts=rule.first_day_counts,
        ends=rule.ends,
        holidays=rule.holidays,
        skipped=skipped,
        statutory=_not_before(started_at, statutory),
        conservative=_not_before(earliest, conservative),
    )


def last_moment(rule: Rule, *, received: datetime, sent: datetime, time_zone: str) -> datetime:
    """Return the last moment of a window in the strictest reading, as `reckon` does."""
    _, earliest = _starts(rule, received, sent)
    ending = _conservative(rule, earliest, rule.time_zone or time_zone, time_zone)
    return max(ending.at, earliest)


def skipped_days(
    rule: Rule, *, received: datetime, sent: datetime, time_zone: str
) -> tuple[date, ...]:
    """Return the holidays that the ordinary reading passes over, as `reckon` does."""
    if rule.holidays is None or rule.window.unit != "business_days":
        return ()
    started_at, _ = _starts(rule, received, sent)
    _, skipped = _statutory(rule, started_at, rule.time_zone or time_zone, None)
    return tuple(day for day, _ in skipped)


def _starts(rule: Rule, received: datetime, sent: datetime) -> tuple[datetime, datetime]:
    """Return what starts the ordinary reading, and what the strictest."""
    is_from_receipt = rule.counted_from in _FROM_RECEIPT
    started_at = received if is_from_receipt or rule.counted_from == "unsaid" else sent
    return started_at, received if is_from_receipt else sent


def _is_elapsed(rule: Rule) -> bool:
    return rule.ends == "same_time" or rule.window.unit == "hours"


def _elapsed(rule: Rule) -> timedelta:
    """Return the hours, or the days as 24 hours each, that pass until the last day's same time."""
    number = rule.window.number
    return timedelta(hours=number) if rule.window.unit == "hours" else _steps(rule) * _DAY


def _steps(rule: Rule) -> int:
    """Return how many days after the first one the last calendar day is."""
    return max(rule.window.number - rule.first_day_counts, 0)


def _last_day(rule: Rule, first: date) -> date:
    """Return the last of some calendar days or months that begin with the first day."""
    if rule.window.unit != "months":
        return first + _steps(rule) * _DAY
    if not rule.window.number:
        return first
    return _months_after(first, rule.window.number) - rule.first_day_counts * _DAY


def _months_after(day: date, number: int) -> date:
    """Return the same day of a later month, or that month's last where it has no such day."""
    years, month = divmod(day.month - 1 + number, _MONTHS_IN_A_YEAR)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _ending(ends: Ends, day: date, zone_name: str) -> Ending:
    # "With effect from the day": the last lawful moment is the one with which the day begins.
    of_day = start_of_day if ends == "start_of_day" else end_of_day
    return Ending(of_day(day, zone_name), day, zone_name)


def _not_before(start: datetime, ending: Ending) -> Ending:
    """Let nothing fall due before it was said: a window that is over at once ends at once."""
    return ending if ending.at >= start else _same_time(start, ending.zone)


def _same_time(at: datetime, zone_name: str) -> Ending:
    return Ending(at, at.astimezone(zone(zone_name)).date(), zone_name)


def _statutory(
    rule: Rule, started_at: datetime, zone_name: str, skipped: Skipped | None
) -> tuple[Ending, Skipped]:
    if _is_elapsed(rule):
        return _same_time(started_at + _elapsed(rule), zone_name), ()
    first = started_at.astimezone(zone(zone_name)).date()
    if rule.window.unit != "business_days":
        return _ending(rule.ends, _last_day(rule, first), zone_name), ()
    count = count_business_days(
        first,
        rule.window.number,
        first_counts=rule.first_day_counts,
        calendar=rule.holidays if skipped is None else skipped,
    )
    return _ending(rule.ends, count.last, zone_name), count.skipped


def _conservative(rule: Rule, earliest: datetime, zone_name: str, time_zone: str) -> Ending:
    if _is_elapsed(rule):
        return _same_time(earliest + _elapsed(rule), zone_name)
    zones = tuple(dict.fromkeys((zone_name, time_zone, *rule.time_zones)))  # often all the same
    if rule.window.unit != "business_days":
        endings = [_same_time_of_day(rule, earliest, name) for name in zones]
        return min(endings, key=lambda ending: ending.at)
    return _mondays_to_fridays(rule.window.number, rule.ends, quarter(earliest), zones)


def _same_time_of_day(rule: Rule, earliest: datetime, zone_name: str) -> Ending:
    """End days and months at the same time of day; where clocks change between, at the earlier."""
    local = earliest.astimezone(zone(zone_name))
    last = _last_day(rule, local.date())
    by_the_clock = datetime.combine(last, local.timetz().replace(fold=0)).astimezone(UTC)
    elapsed = earliest + (last - local.date())
    at = min(elapsed, by_the_clock, _ending(rule.ends, last, zone_name).at)
    return _same_time(at, zone_name)


def quarter(moment: datetime) -> datetime:
    """Return the quarter of an hour: no zone's date changes within one, so it can key a cache."""
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _mondays_to_fridays(
    number: int, ends: Ends, moment: datetime, zones: tuple[str, ...]
) -> Ending:
    endings = []
    for name in zones:
        first = moment.astimezone(zone(name)).date()
        count = count_business_days(first, number, first_counts=True, calendar=None)
        endings.append(_ending(ends, count.last, name))
    return min(endings, key=lambda ending: ending.at)


@lru_cache(maxsize=1024)
def shortest(rule: Rule) -> timedelta:
    """Return the least time that a window leaves, whenever it begins, read most strictly."""
    if _is_elapsed(rule):
        return _elapsed(rule)
    days = _fewest_steps(rule)
    least = days * _DAY - _CLOCK_CHANGE - (_DAY if rule.ends == "start_of_day" else timedelta(0))
    return max(least, timedelta(0))


def _fewest_steps(rule: Rule) -> int:
    """Return how many days lie at least between the first day and the last."""
    if rule.window.unit == "business_days":
        return _fewest_days(rule.window.number)
    if rule.window.unit == "months":
        return rule.window.number * _SHORTEST_MONTH_DAYS - rule.first_day_counts
    return _steps(rule)


def _fewest_days(number: int) -> int:
    """Return how many days lie at least between the first and the last of some business days."""
    week = [date(2026, 1, 5) + n * _DAY for n in range(7)]
    return min(
        (count_business_days(day, number, first_counts=True, calendar=None).last - day).days
        for day in week
    )


def could_end_before(one: Rule, other: Rule) -> bool:
    """Say whether, on some day, one window ends before another that begins with it.

    Weeks are all alike; months are not, so that a year is tried.
    """
    days = 365 if "months" in (one.window.unit, other.window.unit) else 7
    for day in range(days):
        noon = datetime(2026, 1, 5, 12, tzinfo=UTC) + day * _DAY
        first, second = (
            reckon(rule, received=noon, sent=noon, time_zone="UTC") for rule in (one, other)
        )
        if first.conservative_at < second.conservative_at:
            return True
    return False
