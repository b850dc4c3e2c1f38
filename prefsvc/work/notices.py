"""Write change notices for every endpoint that is behind its brand's feed."""

import asyncio

from prefsvc import notices
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.endpoints import Endpoint
from prefsvc.notices import Limits
from prefsvc.work.apart import apart


async def write_notices(service: Service) -> None:
    """Write what is new for each endpoint, a bounded piece and a transaction at a time."""
    # A burst of opt-outs becomes one notice, and costs one look.
    await asyncio.sleep(service.settings.notice_gather_seconds)
    async with service.database.read() as tx:
        told = await notices.brands_told(tx)
    for brand_id in told:
        if brand := service.book.by_id.get(brand_id):
            async with service.database.read() as tx:
                behind = await notices.behind(tx, brand)
            for endpoint in behind:
                with apart("notices", endpoint_id=str(endpoint.endpoint_id)):
                    await _write(service, brand, endpoint)


async def _write(service: Service, brand: AppliedBrand, endpoint: Endpoint) -> None:
    settings = service.settings
    limits = Limits(settings.notice_positions_max, settings.endpoint_backlog_max)
    async with service.database.transaction() as tx:
        has_moved = await notices.write(tx, brand, endpoint, limits)
    if has_moved:
        service.enqueued.set()
        service.bell.rung.set()  # there may be more; but first the others have their turn
