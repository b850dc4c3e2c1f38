"""Look for floods of removals by mail: many from one origin, for whose senders nobody vouches.

All of them count. Every process adds what it has counted to one table, so a flood is seen however
many processes it comes to, and whatever restarts meanwhile.
"""

from collections import Counter
from collections.abc import Sequence

import structlog

from prefsvc import floods, metrics
from prefsvc.doors import Service
from prefsvc.floods import Busy
from prefsvc.work.apart import apart

log = structlog.get_logger()


async def watch_floods(service: Service) -> None:
    """Write down what was counted here; raise an alarm for each new flood, and end those past."""
    await _write_down(service)
    settings = service.settings
    # One that was told is over when it has ebbed to a half: at the edge it would be told again and
    # again.
    at_least = max(1, settings.mail_flood_size // 2)
    async with service.database.read() as tx:
        busy = await floods.busy(tx, window=settings.mail_flood_window, at_least=at_least)
    for one in busy:
        with apart("floods", brand=str(one.brand_id)):
            await _watch(service, one)
    _show(service, busy)


async def _write_down(service: Service) -> None:
    counts = service.origins.take()
    try:
        async with service.database.transaction() as tx:
            await floods.count(tx, counts, window=service.settings.mail_flood_window)
    except Exception:
        service.origins.give_back(counts)
        raise


async def _watch(service: Service, one: Busy) -> None:
    brand = service.book.by_id.get(one.brand_id)
    if one.spell_id is not None:
        if brand is None or one.flood.mail_count == 0:
            async with service.database.transaction() as tx:
                await floods.end(tx, one)
        return
    if brand is None or one.flood.mail_count < service.settings.mail_flood_size:
        return
    async with service.database.transaction() as tx:
        is_new = await floods.begin(tx, brand, one.flood)
    if is_new:
        service.enqueued.set()
        metrics.ALARMS.labels("mail_flood").inc()
        log.warning("mail_flood", brand=brand.slug, removals=one.flood.mail_count)


def _show(service: Service, busy: Sequence[Busy]) -> None:
    size = service.settings.mail_flood_size
    rising = [one for one in busy if one.flood.mail_count > 0]
    found = Counter(one.brand_id for one in rising if one.spell_id or one.flood.mail_count >= size)
    metrics.MAIL_FLOODS.clear()
    for brand in service.book.by_id.values():
        metrics.MAIL_FLOODS.labels(brand.slug).set(found[brand.brand_id])
