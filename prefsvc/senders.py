"""Senders: adding them, what they owe, and whether they may send with what they have."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from prefsvc.address import Channel, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import BUCKET_COUNT, Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidSenderName, SenderExists, UnknownChannel, UnknownSender
from prefsvc.suppressions import head, lease

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Sender:
    """A program that sends for a brand on one channel, and what it has acknowledged."""

    sender_id: UUID
    slug: str
    channel: Channel
    acknowledged: Cursor | None
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Owed:
    """What a sender has not acknowledged: a derived obligation, never stored."""

    count: int
    overdue_count: int
    next_deadline_at: datetime | None


@dataclass(frozen=True, slots=True)
class Clearance:
    """Whether a sender may start a mailing with what it has; until when; if not, why."""

    is_given: bool
    as_of: datetime
    until: datetime | None
    owed: Owed
    missing: str | None


async def add(tx: Tx, brand: AppliedBrand, slug: str, channel: Channel) -> Sender:
    """Add a sender, which owes everything until it acknowledges."""
    if not _NAME.fullmatch(slug):
        raise InvalidSenderName
    if channel not in brand.brand.channels:
        raise UnknownChannel
    sender_id = uuid4()
    added = await queries.add_sender(
        tx.conn,
        sender_id=sender_id,
        brand_id=brand.brand_id,
        slug=slug,
        channel=channel,
        created_at=tx.now,
        acknowledged=[0] * BUCKET_COUNT,
    )
    if added is None:
        raise SenderExists
    return Sender(sender_id, slug, channel, None, None)


async def find(tx: Tx, brand: AppliedBrand, slug: str) -> Sender:
    """Return the brand's sender of this name, or refuse."""
    row = await queries.sender_by_slug(tx.conn, brand_id=brand.brand_id, slug=slug)
    if row is None:
        raise UnknownSender
    return _sender(brand, row)


async def every(tx: Tx, brand: AppliedBrand) -> list[Sender]:
    """Return the brand's senders."""
    rows = await queries.brand_senders(tx.conn, brand_id=brand.brand_id)
    return [_sender(brand, row) for row in rows]


def _sender(brand: AppliedBrand, row: queries.SenderBySlugRow | queries.BrandSendersRow) -> Sender:
    acknowledged = None
    if row.acknowledged_epoch is not None:
        acknowledged = Cursor(row.acknowledged_epoch, brand.brand_id, tuple(row.acknowledged))
    channel = parse_channel(row.channel)
    return Sender(row.sender_id, row.slug, channel, acknowledged, row.acknowledged_at)


async def owed(tx: Tx, brand: AppliedBrand, sender: Sender) -> Owed:
    """Sum up the opt-outs beyond what the sender acknowledged in this history."""
    end = await head(tx, brand)
    known = sender.acknowledged
    if known is None or known.epoch != end.epoch:
        known = Cursor.start(end.epoch, brand.brand_id)
    count = overdue_count = 0
    deadlines: list[datetime] = []
    for bucket in known.behind(end):
        row = await queries.owed(
            tx.conn,
            bucket=bucket,
            brand_id=brand.brand_id,
            after=known.positions[bucket],
            channel=sender.channel,
            now=tx.now,
        )
        count += row.owed_count
        overdue_count += row.overdue_count
        deadlines += [row.next_deadline_at] if row.next_deadline_at else []
    return Owed(count, overdue_count, min(deadlines, default=None))


async def clearance(tx: Tx, brand: AppliedBrand, sender: Sender) -> Clearance:
    """Say whether the sender may start a mailing now.

    Not before its first acknowledgement in this history, and not while an opt-out that it has not
    acknowledged is past its deadline: unknown means do not send.
    """
    debt = await owed(tx, brand, sender)
    missing = await _missing(tx, brand, sender, debt)
    until = lease(brand, sender.channel, tx.now).valid_until
    if debt.next_deadline_at:
        until = min(until, debt.next_deadline_at)
    given = missing is None
    return Clearance(given, tx.now, until if given else None, debt, missing)


async def _missing(tx: Tx, brand: AppliedBrand, sender: Sender, debt: Owed) -> str | None:
    if sender.acknowledged is None:
        return "This sender has never acknowledged: pull the suppressions, apply them, acknowledge."
    if sender.acknowledged.epoch != (await head(tx, brand)).epoch:
        return "The register was restored since: pull the suppressions again, apply, acknowledge."
    if debt.overdue_count:
        return (
            f"{debt.overdue_count} opt-outs are past their deadline and not acknowledged: read the "
            "feed, apply it, acknowledge."
        )
    return None
