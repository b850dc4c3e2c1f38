"""Suppression feeds: pages of changes after a cursor, and acknowledgements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefsvc.address import Channel, sha256_of
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.batch import filled
from prefsvc.db.connection import Tx
from prefsvc.errors import (
    AcknowledgementBackwards,
    CursorBeyondHead,
    CursorFromAnotherHistory,
    CursorOfAnotherBrand,
)
from prefsvc.suppressions import head
from prefsvc.vault import Vault


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a suppression; `address` is None after erasure, `sha256` never is."""

    bucket: int
    position: int
    event_id: UUID
    effect: str
    scope: str
    topic: str
    reason: str
    address: str | None
    sha256: bytes
    received_at: datetime
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """The positions of one bucket that a page covers, both ends included."""

    bucket: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Page:
    """Changes, the positions they were looked for among, and where to go on.

    Positions are dense, so a reader that sees each span begin at its own last position plus one
    has proof that nothing was missed.
    """

    changes: tuple[Change, ...]
    spans: tuple[Span, ...]
    cursor: Cursor
    has_more: bool


async def page_after(
    tx: Tx, vault: Vault, brand: AppliedBrand, channel: Channel, after: Cursor, *, size: int
) -> Page:
    """Read the changes among the next `size` positions after a cursor.

    The size bounds the positions looked at, not the changes found: so a page costs the same however
    few of the changes are this channel's.
    """
    end = await checked(tx, brand, after)
    spans = spans_between(after, end, size)
    changes = await changes_of(tx, vault, brand.brand_id, channel, spans)
    cursor = after.moved_each({span.bucket: span.last for span in spans})
    return Page(tuple(changes), tuple(spans), cursor, has_more=bool(cursor.behind(end)))


def spans_between(after: Cursor, end: Cursor, size: int) -> list[Span]:
    """Return the next `size` positions after a cursor, or as many as there are."""
    spans = []
    for bucket in after.behind(end):
        if size <= 0:
            break
        first = after.positions[bucket] + 1
        last = min(end.positions[bucket], first + size - 1)
        spans.append(Span(bucket, first, last))
        size -= last - first + 1
    return spans


async def changes_of(
    tx: Tx, vault: Vault, brand_id: int, channel: Channel, spans: Sequence[Span]
) -> list[Change]:
    """Read one channel's changes among the positions of spans, in order.

    Each position is looked up by itself, as they are dense: so it costs what their rows cost, in
    however many buckets they are and however long the feed is.
    """
    rows = await queries.feed_changes(
        tx.conn, _positions(spans), brand_id=brand_id, channel=channel
    )
    changes = [
        Change(
            row.bucket,
            row.position,
            row.event_id,
            row.effect,
            row.scope,
            row.topic,
            row.reason,
            row.canonical,
            _sha256(vault, row),
            row.received_at,
            row.deadline_at,
        )
        for row in rows
    ]
    return sorted(changes, key=lambda change: (change.bucket, change.position))


def _positions(spans: Sequence[Span]) -> list[queries.FeedChangesIn]:
    """Return every position of the spans as a row, filled up to a size of batch by what is none."""
    rows = [
        queries.FeedChangesIn(span.bucket, position)
        for span in spans
        for position in range(span.first, span.last + 1)
    ]
    return rows + [queries.FeedChangesIn(0, 0)] * (filled(len(rows)) - len(rows))


def _sha256(vault: Vault, row: queries.FeedChangesRow) -> bytes:
    if row.canonical is not None:
        return sha256_of(row.canonical)
    if row.sealed_sha256 is None:
        # Skipped, it would read as "nobody was suppressed"; so the feed stops until it is mended.
        raise LookupError("a change's address is gone: run `prefsvc ledger verify`")
    return vault.unseal_sha256(row.address_key, row.sealed_sha256)


async def checked(tx: Tx, brand: AppliedBrand, cursor: Cursor) -> Cursor:
    """Return the feed's end, or refuse a cursor that is not of this feed and history."""
    end = await head(tx, brand)
    if cursor.brand_id != brand.brand_id:
        raise CursorOfAnotherBrand
    if cursor.epoch != end.epoch:
        raise CursorFromAnotherHistory
    if end.behind(cursor):
        raise CursorBeyondHead
    return end


async def acknowledge(tx: Tx, brand: AppliedBrand, sender_id: UUID, cursor: Cursor) -> datetime:
    """Take a sender's word that all up to the cursor is applied; return since when that holds.

    Never backwards. The same cursor again is no error, and keeps the first moment.
    """
    await checked(tx, brand, cursor)
    standing = await queries.lock_sender(tx.conn, sender_id=sender_id)
    if standing is None:
        raise LookupError("the sender of an API key is gone")
    if standing.acknowledged_epoch == cursor.epoch and standing.acknowledged_at:
        if any(a > b for a, b in zip(standing.acknowledged, cursor.positions, strict=True)):
            raise AcknowledgementBackwards
        if tuple(standing.acknowledged) == cursor.positions:
            return standing.acknowledged_at
    positions = list(cursor.positions)
    await queries.set_acknowledged(
        tx.conn, sender_id=sender_id, positions=positions, feed_epoch=cursor.epoch, now=tx.now
    )
    await queries.keep_acknowledgement(
        tx.conn, sender_id=sender_id, now=tx.now, feed_epoch=cursor.epoch, positions=positions
    )
    return tx.now
