"""Record earlier opt-outs on WhatsApp, which they reach: a bounded piece at a time."""

from typing import Final

import structlog

from prefsvc import reach_backlog
from prefsvc.doors import Service

log = structlog.get_logger()

AT_ONCE: Final = 100


async def reach_whatsapp(service: Service) -> None:
    """Work the backlog off; where there is none, which is nearly always, this is one look."""
    while not service.stopping.is_set():
        async with service.database.read() as tx:
            acts = await reach_backlog.read(tx, service.book, size=AT_ONCE)
        if not acts:
            return
        brands = {act.brand.brand_id: act.brand for act in acts.values()}
        async with service.writing(*brands.values()) as tx:
            await reach_backlog.work_off(tx, service.vault, acts)
        log.info("reached_whatsapp", opt_outs=len(acts))
