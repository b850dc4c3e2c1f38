"""Opt-outs from before WhatsApp was a channel: recording on it those that are about it, too.

Somebody who had stopped the whole brand, or had said STOP on WhatsApp when that counted as a text,
must not be missing from the lists of a WhatsApp program that is added years later.
"""

from collections import defaultdict
from typing import Final
from uuid import UUID

from prefsvc import opt_outs
from prefsvc.address import Address, Channel
from prefsvc.brands import BrandBook
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope, parse_reason
from prefsvc.vault import Vault

_CHANNEL: Final[Channel] = "whatsapp"


async def read(tx: Tx, book: BrandBook, *, size: int) -> dict[UUID, Act]:
    """Return acts that are still to be recorded, by the event that each was said as, in order."""
    rows = await queries.unreached(tx.conn, size=size)
    return {row.event_id: _act(book, row) for row in rows}


async def work_off(tx: Tx, vault: Vault, acts: dict[UUID, Act]) -> None:
    """Record these on WhatsApp as they were said, and strike them off.

    Done by two processes at once, the second says what stands already. What was taken back since
    stays taken back: the last word wins, whenever it is recorded.
    """
    await opt_outs.record_here(tx, vault, list(acts.values()))
    by_bucket: dict[int, list[UUID]] = defaultdict(list)
    for event_id, act in acts.items():
        by_bucket[act.recipient.bucket].append(event_id)
    for bucket, event_ids in sorted(by_bucket.items()):
        await queries.forget_reached(tx.conn, bucket=bucket, event_ids=event_ids)


def _act(book: BrandBook, row: queries.UnreachedRow) -> Act:
    address = Address(_CHANNEL, row.canonical, row.canonical) if row.canonical else None
    return Act(
        book.by_id[row.brand_id],
        Recipient(row.address_key, _CHANNEL, address),
        Scope.parse(row.scope, row.topic),
        row.source,
        {"said_on": "sms", "said_as": str(row.event_id)} | (row.evidence or {}),
        reason=parse_reason(row.reason),
        sent_at=row.sent_at,
        received_at=row.received_at,
        country=row.country,
    )
