"""How one reckoned window is kept with its opt-out, and read back.

What is ordinary is left out, since every opt-out carries it. So are words that can be looked up: a
rule's title and source by its id, a holiday's name by the calendar.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from prefsvc.honour.business_days import holidays_of, zone
from prefsvc.honour.reckoning import Ending, Reckoning, Skipped
from prefsvc.honour.rule_file import title_and_source
from prefsvc.honour.span import Span


def to_document(reckoning: Reckoning, time_zone: str) -> dict[str, object]:
    """Return what is kept of one window; `time_zone` is the brand's."""
    document: dict[str, object] = {
        "id": reckoning.id,
        "number": reckoning.number,
        "unit": reckoning.unit,
        "counted_from": reckoning.counted_from,
        "started_at": reckoning.started_at.isoformat(),
        "statutory_at": reckoning.statutory_at.isoformat(),
        "statutory_day": reckoning.statutory_day.isoformat(),
        "conservative_at": reckoning.conservative_at.isoformat(),
        "conservative_day": reckoning.conservative_day.isoformat(),
    }
    earliest_at = reckoning.earliest_at
    unusual: dict[str, object] = {
        "earliest_at": earliest_at.isoformat() if earliest_at != reckoning.started_at else None,
        "first_day_counts": reckoning.first_day_counts,
        "ends": reckoning.ends if reckoning.ends != "end_of_day" else None,
        "holidays": reckoning.holidays,
        "skipped": [day.isoformat() for day, _ in reckoning.skipped],
        "statutory_zone": _other(reckoning.statutory.zone, time_zone),
        "conservative_zone": _other(reckoning.conservative.zone, time_zone),
    }
    return document | {key: value for key, value in unusual.items() if value}


def from_document(document: Mapping[str, Any], time_zone: str) -> Reckoning:
    """Read what `to_document` kept."""
    title, source = title_and_source(document["id"])
    started_at = datetime.fromisoformat(document["started_at"])
    earliest_at = document.get("earliest_at")
    holidays = document.get("holidays")
    return Reckoning(
        id=document["id"],
        title=title,
        source=source,
        window=Span(document["number"], document["unit"]),
        counted_from=document["counted_from"],
        started_at=started_at,
        earliest_at=datetime.fromisoformat(earliest_at) if earliest_at else started_at,
        first_day_counts=document.get("first_day_counts", False),
        ends=document.get("ends", "end_of_day"),
        holidays=holidays,
        skipped=_skipped(holidays, document.get("skipped", [])),
        statutory=_ending(document, "statutory", time_zone),
        conservative=_ending(document, "conservative", time_zone),
    )


def _ending(document: Mapping[str, Any], reading: str, time_zone: str) -> Ending:
    return Ending(
        datetime.fromisoformat(document[f"{reading}_at"]),
        date.fromisoformat(document[f"{reading}_day"]),
        zone(document.get(f"{reading}_zone", time_zone)).key,
    )


def _skipped(calendar: str | None, days: list[str]) -> Skipped:
    if calendar is None:
        return ()
    skipped = [date.fromisoformat(day) for day in days]
    # A later calendar may have dropped a holiday; that it was one when this was counted stands.
    return tuple((day, holidays_of(calendar, day.year).get(day, "a holiday")) for day in skipped)


def _other(zone_name: str, time_zone: str) -> str | None:
    return zone_name if zone_name != time_zone else None
