"""When to try again: the schedule of Standard Webhooks, with jitter, and what receivers ask for.

Nothing here asks a clock or waits; only the jitter is by chance.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import SystemRandom

from prefsvc.settings import Settings

_chance = SystemRandom()


def wait_seconds(settings: Settings, attempts: int, asked_seconds: float | None) -> float | None:
    """Return how long to wait after this many attempts; None when that was the last one.

    What the receiver asked for counts where it is longer, up to `retry_after_seconds_max`.
    """
    schedule = settings.delivery_schedule_seconds
    if attempts > len(schedule):
        return None
    jitter = settings.delivery_jitter_percent / 100
    # By chance, so that those who failed together do not all come back together.
    planned = schedule[attempts - 1] * _chance.uniform(1 - jitter, 1 + jitter)
    return max(planned, min(asked_seconds or 0, settings.retry_after_seconds_max))


def later(now: datetime, seconds: float | None) -> datetime:
    """Return the moment that long after another."""
    return now + timedelta(seconds=seconds or 0)


def asked_seconds(retry_after: str | None, now: datetime) -> float | None:
    """Read a Retry-After header in either form (RFC 9110 10.2.3); None where it says nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or a zone beyond every calendar
        return None
    # A date in an unknown zone (-0000) is meant in UTC.
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
