"""When something was said, as lists write it. Pure: nothing is guessed, nothing depends on today.

A moment without a zone is of the zone that was given. `03/04/2024` is read only where somebody said
which of them is the month; a day alone means its noon.
"""

import re
from datetime import UTC, datetime, time, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final, Literal, TypeAlias

DayOrder: TypeAlias = Literal["day-first", "month-first"]

_YEARS: Final = range(1970, 3000)
_NOON: Final = time(12)
_EPOCH: Final = re.compile(r"(\d{9,10})(?:\.\d+)?|(\d{12,13})")
# Python takes any character for the sign between day and time, and a digit, too.
_RUN_ON: Final = re.compile(r"(?:\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d-?\d)\d")
_DAY_ALONE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{8}")
_ZONE: Final = re.compile(r" ?(?:UTC|GMT|Z)$| (?=[+-]\d\d:?\d\d$)")
_IN_SIGNS: Final = re.compile(
    r"(?P<one>\d{1,2})(?P<sign>[/.-])(?P<other>\d{1,2})(?P=sign)(?P<year>\d{4}|\d\d)"
    r"(?:,? +(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?)?"
)
_IN_WORDS: Final = (
    "%b %d, %Y %I:%M %p", "%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M %p", "%b %d, %Y %H:%M",
    "%b %d, %Y", "%B %d, %Y %I:%M %p", "%B %d, %Y", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M",
    "%d %b %Y", "%d %B %Y",
)  # fmt: skip


def read_moment(text: str, zone: tzinfo, order: DayOrder | None) -> datetime | None:
    """Return the moment in UTC; None where it cannot be told."""
    try:
        found = _read(text, zone, order)
        return found.astimezone(UTC) if found and found.year in _YEARS else None
    except (ValueError, OverflowError, OSError):
        return None


def _read(text: str, zone: tzinfo, order: DayOrder | None) -> datetime | None:
    if epoch := _EPOCH.fullmatch(text):
        seconds = float(text) if epoch[1] else int(text) / 1000
        return datetime.fromtimestamp(seconds, UTC)
    if _DAY_ALONE.fullmatch(text):
        return datetime.combine(datetime.fromisoformat(text), _NOON, zone)
    found = _iso(text) or _in_signs(text, order) or _in_words(text)
    return found if found is None or found.tzinfo else found.replace(tzinfo=zone)


def _iso(text: str) -> datetime | None:
    """Read ISO 8601, and its relatives: `2024-05-01 12:00:00 UTC`, `… +0000`."""
    if not text[:4].isdigit() or _RUN_ON.match(text):
        return None
    zoned = _ZONE.search(text)
    if zoned:
        offset = text[zoned.end() :] or "+00:00"
        text = text[: zoned.start()] + offset
    return datetime.fromisoformat(text)


def _in_signs(text: str, order: DayOrder | None) -> datetime | None:
    """Read `14.03.2024`, which is plain, and `03/14/2024` where the order was said."""
    found = _IN_SIGNS.fullmatch(text)
    if found is None:
        return None
    is_day_first = order == "day-first" or found["sign"] == "."
    if not is_day_first and order is None:
        raise ValueError("either of them may be the month")
    day, month = found["one"], found["other"]
    if not is_day_first:
        day, month = month, day
    year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)  # noqa: PLR2004 - two digits
    if found["hour"] is None:
        return datetime.combine(datetime(year, int(month), int(day)), _NOON)  # noqa: DTZ001 - zoned by the caller
    return datetime(  # noqa: DTZ001 - zoned by the caller
        year, int(month), int(day), _hour(found), int(found["minute"]), int(found["second"] or 0)
    )


def _hour(found: re.Match[str]) -> int:
    hour = int(found["hour"])
    if found["half"] is None:
        return hour
    return hour % 12 + (12 if found["half"] in "Pp" else 0)


def _in_words(text: str) -> datetime | None:
    """Read RFC 5322's dates, and `Mar 14, 2024 12:30 PM`."""
    for form in _IN_WORDS:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - zoned by the caller
        except ValueError:
            continue
        return found if "%H" in form or "%I" in form else datetime.combine(found, _NOON)
    return parsedate_to_datetime(text)
