"""How fast Twilio may be told, and by when all that waits will have been."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prefsvc.consents.answers import Failure, Unanswered

ITEMS_MAX: Final = 25
"""The most items of one request."""
_PAUSE_SECONDS: Final = 60.0
_PAUSED: Final[frozenset[Failure]] = frozenset(
    {"unauthorized", "forbidden", "redirected", "slow_down"}
)


def pause_seconds(failure: Unanswered, failures_before: int, longest_seconds: float) -> float:
    """Return how long no request of the account goes out after one that came to nothing.

    What an operator must mend is looked at once a minute. A refused one costs no wait: its items
    are told one by one, to find the one at fault.
    """
    if failure.how == "refused":
        return 0
    if failure.how in _PAUSED:
        asked = failure.retry_after_seconds
        return _PAUSE_SECONDS if asked is None else min(asked, longest_seconds)
    return min(2.0 ** min(failures_before, 10), _PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Estimate:
    """By when so many items are told, and whether that may be later than a deadline."""

    through_at: datetime
    may_miss_deadline: bool


def estimate(
    begins_at: datetime,
    item_count: int,
    request_seconds: float,
    deadline_at: datetime | None,
    put_off_until: datetime | None = None,
) -> Estimate | None:
    """Estimate when items that are told from a moment on will be through; None without any.

    Which of them bears the deadline is not asked: it may well be told before the last. None is told
    before the moment that it was put off until.
    """
    if item_count == 0:
        return None
    requests = -(-item_count // ITEMS_MAX)
    at_that_pace = begins_at + timedelta(seconds=requests * request_seconds)
    through_at = max(at_that_pace, put_off_until or at_that_pace)
    return Estimate(through_at, deadline_at is not None and through_at > deadline_at)
