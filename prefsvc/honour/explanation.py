"""How a deadline was counted, in plain English."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from prefsvc.country import country_name
from prefsvc.honour.business_days import zone
from prefsvc.honour.reckoning import Ending, Reckoning
from prefsvc.honour.rules import CountedFrom

_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_STARTS: Final[dict[CountedFrom, str]] = {
    "sent": "sending",
    "submitted": "submission",
    "used": "use of the link",
    "received": "receipt",
    "pulled": "the last reading",
    "unsaid": "receipt",
}


def day_in_words(day: date) -> str:
    """Return "Friday 20 November 2026", whatever the locale."""
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment_in_words(moment: datetime, zone_name: str) -> str:
    """Return "Friday 20 November 2026, 12:00 (America/New_York)"."""
    local = moment.astimezone(zone(zone_name))
    return f"{day_in_words(local)}, {local:%H:%M} ({zone_name})"


def start_in_words(counted_from: CountedFrom) -> str:
    """Return what starts a clock: "receipt", "sending" ..."""
    return _STARTS[counted_from]


def sentence(reckoning: Reckoning) -> str:
    """Say from when a window was counted, which days were skipped and why, and where it ends."""
    began = moment_in_words(reckoning.started_at, reckoning.statutory.zone)
    return (
        f"{reckoning.window.written} from {start_in_words(reckoning.counted_from)} on {began}"
        f"{_skipping(reckoning)}: until {_until(reckoning.statutory)}. {_strictly(reckoning)}"
    )


def country_in_words(country: str, added: Sequence[str], dropped: Sequence[str]) -> str:
    """Say which country counted, and what it added to the brand's list and dropped from it."""
    said = [f"The recipient's country is {country_name(country)} ({country})."]
    if added:
        said.append(f"Rules that therefore count, though unlisted: {', '.join(added)}.")
    if dropped:
        said.append(f"Listed, but about other countries: {', '.join(dropped)}.")
    return " ".join(said)


def _until(ending: Ending) -> str:
    return moment_in_words(ending.at, ending.zone)


def _skipping(reckoning: Reckoning) -> str:
    if reckoning.unit == "hours" or reckoning.ends == "same_time":
        return ""
    first = "counts" if reckoning.first_day_counts else "does not count"
    if reckoning.unit != "business_days":
        return f"; the first day {first}"
    names = [f"{name} ({day_in_words(day)})" for day, name in reckoning.skipped]
    skipped = _listed(["Saturdays", "Sundays", *names])
    return f"; the first day {first}, and {skipped} are skipped"


def _strictly(reckoning: Reckoning) -> str:
    """Say what the strictest reading is, where it differs."""
    if reckoning.conservative_at == reckoning.statutory_at:
        return "There is no stricter reading."
    how = (
        "the first day counts and no holiday is skipped"
        if reckoning.unit == "business_days"
        else "it ends at the same time of day"
    )
    if reckoning.earliest_at != reckoning.started_at:
        began = moment_in_words(reckoning.earliest_at, reckoning.statutory.zone)
        how = f"it runs from sending on {began}, and {how}"
    return f"Read most strictly, {how}: until {_until(reckoning.conservative)}."


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
