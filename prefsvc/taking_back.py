"""Taking back all that a batch of forged mail has put, page by page, each durable by itself.

What breaks off is finished by doing it again: what has been lifted is found to be lifted.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from prefsvc import forgeries
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.doors import Service
from prefsvc.errors import InvalidTimeSpan
from prefsvc.forgeries import Finding, Found, Selection
from prefsvc.ledger import Place, bucket_of_event

PAGE_SIZE: Final = 500
"""So many requests are looked at while the head of their bucket is locked."""


@dataclass(slots=True)
class TakenBack:
    """How many requests were forged, and what became of what they had put."""

    requests: int = 0
    lifted: int = 0
    """Suppressions; of a dry run, those that would be lifted."""
    kept: int = 0
    """Those that stay, because something else has put them, or that stand no more."""
    next: UUID | None = None
    """The last event that was looked at, after which to go on; None if all were."""


def selection(since: datetime, until: datetime, origin: str | None, *, now: datetime) -> Selection:
    """Return which mails are meant, or refuse a time that is none."""
    if since >= until or until > now:
        raise InvalidTimeSpan(pointer="/until")
    return Selection(since, until, origin)


async def take_back(
    service: Service,
    brand: AppliedBrand,
    finding: Finding,
    *,
    dry_run: bool = False,
    after: UUID | None = None,
    at_most: int | None = None,
) -> TakenBack:
    """Lift every suppression of a brand that stands by these mails alone, and nothing else."""
    done = TakenBack()
    looked_at = 0
    async for place, found in _pages(service, brand, finding.selection, after):
        looked_at += found.read_count
        lifted = (
            await _would_lift(service, place, finding.selection, found)
            if dry_run
            else await _lift(service, brand, finding, found)
        )
        done.requests += found.request_count
        done.lifted += lifted
        done.kept += len(found.slots) - lifted
        if at_most is not None and looked_at >= at_most:
            done.next = found.last
            break
    return done


async def _pages(
    service: Service, brand: AppliedBrand, selected: Selection, after: UUID | None
) -> AsyncIterator[tuple[Place, Found]]:
    for bucket in range(bucket_of_event(after) if after else 0, BUCKET_COUNT):
        place = (bucket, brand.brand_id)
        while found := await _page(service, place, selected, after):
            yield place, found
            after = found.last
        after = None


async def _page(
    service: Service, place: Place, selected: Selection, after: UUID | None
) -> Found | None:
    async with service.database.read() as tx:
        return await forgeries.find(tx, place, selected, after=after, size=PAGE_SIZE)


async def _would_lift(service: Service, place: Place, selected: Selection, found: Found) -> int:
    async with service.database.read() as tx:
        return len(await forgeries.liftable(tx, place, selected, found))


async def _lift(service: Service, brand: AppliedBrand, finding: Finding, found: Found) -> int:
    async with service.writing(brand) as tx:
        return await forgeries.take_back(tx, service.vault, brand, finding, found)
