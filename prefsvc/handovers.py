"""Handovers: what each sender was told, and when.

Told is not acknowledged: a page may never have been applied. But between the two it can be seen
whether a sender was not told, or was told and did nothing.
"""

from datetime import datetime
from uuid import UUID

from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx


async def told(tx: Tx, sender_id: UUID, cursor: Cursor) -> None:
    """Note that a sender was given everything up to a cursor, by page, snapshot or notice.

    One row for each minute in which it was: however often a sender asks, and when it was told is
    then known to the minute, and never too early.
    """
    added = await queries.add_handover(
        tx.conn,
        sender_id=sender_id,
        feed_epoch=cursor.epoch,
        now=tx.now,
        positions=list(cursor.positions),
    )
    if not added:
        await _move(tx, sender_id, cursor)


async def _move(tx: Tx, sender_id: UUID, cursor: Cursor) -> None:
    """Merge a cursor into the row of this minute: of each bucket the furthest position counts."""
    row = await queries.lock_handover(
        tx.conn, sender_id=sender_id, feed_epoch=cursor.epoch, now=tx.now
    )
    await queries.set_handover(
        tx.conn,
        sender_id=sender_id,
        feed_epoch=cursor.epoch,
        now=tx.now,
        handed_at=max(row.handed_at, tx.now),
        positions=list(map(max, row.positions, cursor.positions)),
    )


async def last_told(tx: Tx, brand: AppliedBrand, epoch: UUID) -> dict[UUID, datetime]:
    """Return when each sender of a brand was last given anything in this history."""
    rows = await queries.last_handovers(tx.conn, feed_epoch=epoch, brand_id=brand.brand_id)
    return {row.sender_id: row.handed_at for row in rows if row.handed_at}
