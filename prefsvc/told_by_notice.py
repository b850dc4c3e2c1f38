"""What a change notice counts for once it has arrived: its sender was told of these changes.

Notices can arrive out of order, and begin when their endpoint was added. So one counts only where
it goes on from what the sender had heard before; nobody is said to have been told who was not.
"""

from typing import Final
from uuid import UUID

from prefsvc import handovers
from prefsvc.cursor import BUCKET_COUNT, Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.endpoints import Endpoint
from prefsvc.feeds import Span
from prefsvc.installation import feed_epoch

_GAP_MAX: Final = 1000  # positions; a sender that is further behind is told by its feed


async def note(tx: Tx, endpoint: Endpoint, data: Json) -> None:
    """Note that an endpoint's sender was told what a change notice's data covers."""
    end = Cursor.parse(data["cursor"])
    if endpoint.sender_id is None or end.epoch != await feed_epoch(tx):
        return
    row = await queries.told_of(tx.conn, sender_id=endpoint.sender_id, feed_epoch=end.epoch)
    if row is None:
        return
    before = Cursor(end.epoch, end.brand_id, tuple(row.handed or [0] * BUCKET_COUNT))
    told = before
    for span in [Span(**one) for one in data["covers"]]:
        if await _goes_on(tx, row, before, span):
            told = told.moved(span.bucket, span.last)
    if told != before:
        await handovers.told(tx, endpoint.sender_id, told)


async def _goes_on(tx: Tx, row: queries.ToldOfRow, told: Cursor, span: Span) -> bool:
    """Say whether the span brings something new, and no change of the channel is missing before."""
    heard = _heard(row, told.epoch, told.positions[span.bucket], span.bucket)
    if not span.first - 1 - _GAP_MAX <= heard < span.last:
        return False
    missing = await queries.changed_positions(
        tx.conn,
        bucket=span.bucket,
        brand_id=told.brand_id,
        after=heard,
        upto=span.first - 1,
    )
    return all(one.channel != row.channel for one in missing)


def _heard(row: queries.ToldOfRow, epoch: UUID, told: int, bucket: int) -> int:
    acknowledged = row.acknowledged[bucket] if row.acknowledged_epoch == epoch else 0
    return max(told, acknowledged)
