"""Let doubtful replies that nobody decided become stops, and count those that wait."""

from collections.abc import AsyncIterator
from typing import Final

import structlog

from prefsvc import metrics, reviews
from prefsvc.db import queries
from prefsvc.doors import Service
from prefsvc.errors import ReviewDecided
from prefsvc.reviews import OURSELVES, Answer
from prefsvc.work.apart import apart

log = structlog.get_logger()

AT_ONCE: Final = 100


async def decide_unanswered(service: Service) -> None:
    """Decide for stop what has waited too long, each in a transaction of its own; then count."""
    async for row in _unanswered(service):
        if brand := service.book.by_id.get(row.brand_id):
            with apart("reviews", brand=brand.slug):
                await _stop(service, row)
    async with service.database.read() as tx:
        waiting = await queries.open_reviews(tx.conn)
    for gauge in (metrics.OPEN_REVIEWS, metrics.OLDEST_REVIEW):
        gauge.clear()
    for one in waiting:
        metrics.OPEN_REVIEWS.labels(one.brand).set(one.review_count)
        seconds = (service.now() - one.oldest_at).total_seconds()
        metrics.OLDEST_REVIEW.labels(one.brand).set(max(0, seconds))


async def _unanswered(service: Service) -> AsyncIterator[queries.UnansweredReviewsRow]:
    """Find what is due, a bounded piece at a time; what fails holds up nothing after it."""
    before = service.now() - service.settings.review_age
    last: queries.UnansweredReviewsRow | None = None
    while not service.stopping.is_set():
        async with service.database.read() as tx:
            found = await reviews.unanswered(tx, before=before, after=last, size=AT_ONCE)
        for row in found:
            yield row
        if len(found) < AT_ONCE:
            return
        last = found[-1]


async def _stop(service: Service, row: queries.UnansweredReviewsRow) -> None:
    days = service.settings.review_days_max
    answer = Answer("stop", OURSELVES, f"Nobody decided within {days} days.")
    try:
        await service.decide(service.book.by_id[row.brand_id], row.review_id, answer)
    except ReviewDecided:
        return  # Somebody dismissed it a moment ago.
    log.info("review_unanswered", review_id=str(row.review_id))
