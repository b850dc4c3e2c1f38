"""Senders: adding them, how each stands, and whether it may send with what it has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from prefsvc.address import Channel, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import BUCKET_COUNT, Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidSenderName, SenderExists, UnknownChannel, UnknownSender
from prefsvc.installation import epoch_began_at
from prefsvc.obligations import Obligations
from prefsvc.sender import Sender
from prefsvc.standing import Grace, Owed, SenderState, state, with_grace
from prefsvc.suppressions import head, lease

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sender stands: what it owes, and its state.

    Who has never acknowledged in this history owes everything, but its clock gives it one window
    to hear of it (standing.with_grace).
    """

    sender: Sender
    owed: Owed
    state: SenderState


@dataclass(frozen=True, slots=True)
class Clearance:
    """Whether a sender may start a mailing with what it has; until when; if not, why."""

    is_given: bool
    as_of: datetime
    until: datetime | None
    standing: Standing
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
    return Sender(sender_id, slug, channel, tx.now, None, None)


async def find(tx: Tx, brand: AppliedBrand, slug: str) -> Sender:
    """Return the brand's sender of this name, or refuse."""
    row = await queries.sender_by_slug(tx.conn, brand_id=brand.brand_id, slug=slug)
    if row is None:
        raise UnknownSender
    return _sender(brand, row)


async def every(tx: Tx, brand: AppliedBrand) -> list[Sender]:
    """Return the brand's senders, retired ones too."""
    rows = await queries.brand_senders(tx.conn, brand_id=brand.brand_id)
    return [_sender(brand, row) for row in rows]


def _sender(brand: AppliedBrand, row: queries.SenderBySlugRow | queries.BrandSendersRow) -> Sender:
    acknowledged = None
    if row.acknowledged_epoch is not None:
        acknowledged = Cursor(row.acknowledged_epoch, brand.brand_id, tuple(row.acknowledged))
    channel = parse_channel(row.channel)
    return Sender(
        row.sender_id,
        row.slug,
        channel,
        row.created_at,
        acknowledged,
        row.acknowledged_at,
        row.retired_at,
    )


async def retire(tx: Tx, brand: AppliedBrand, slug: str) -> None:
    """Retire a sender for good: it sends no more, so nobody waits for it or tells it anything.

    Its keys stop working, its endpoints are disabled; what it heard and sent stays on record.
    """
    sender = await find(tx, brand, slug)
    if not await queries.retire_sender(tx.conn, sender_id=sender.sender_id, now=tx.now):
        raise UnknownSender
    await queries.disable_endpoints_of(
        tx.conn, sender_id=sender.sender_id, now=tx.now, why="Its sender was retired."
    )


async def standing(
    tx: Tx, obligations: Obligations, brand: AppliedBrand, sender: Sender
) -> Standing:
    """Say how a sender stands now."""
    [found] = await _standings(tx, obligations, brand, [sender])
    return found


async def standings(tx: Tx, obligations: Obligations, brand: AppliedBrand) -> list[Standing]:
    """Say how each of the brand's senders stands now; retired ones owe nothing to anybody."""
    serving = [one for one in await every(tx, brand) if one.retired_at is None]
    return await _standings(tx, obligations, brand, serving)


async def _standings(
    tx: Tx, obligations: Obligations, brand: AppliedBrand, senders: Sequence[Sender]
) -> list[Standing]:
    # The head is read after the senders, so that it is never behind an acknowledgement.
    end = await head(tx, brand)
    began_at = await epoch_began_at(tx)
    every_owed = await obligations.owed_by(tx, brand, senders, end)
    return [
        _standing(
            tx.now,
            sender,
            owed,
            grace=None if sender.known(end.epoch) else grace(brand, sender, began_at),
        )
        for sender, owed in zip(senders, every_owed, strict=True)
    ]


def _standing(now: datetime, sender: Sender, owed: Owed, *, grace: Grace | None) -> Standing:
    if grace:
        owed = with_grace(owed, grace)
    return Standing(sender, owed, state(owed, now, has_acknowledged=grace is None))


def grace(brand: AppliedBrand, sender: Sender, began_at: datetime | None) -> Grace:
    """Return the window that a sender has which has acknowledged nothing in this history.

    It begins with the sender or with the history, whichever is later; `began_at` is the history's,
    where it is known.
    """
    begin = max(sender.created_at, began_at or sender.created_at)
    return Grace(begin, lease(brand, sender.channel, begin).valid_until - begin)


async def clearance(
    tx: Tx, obligations: Obligations, brand: AppliedBrand, sender: Sender
) -> Clearance:
    """Say whether the sender may start a mailing now.

    Not before its first acknowledgement in this history, and not while an opt-out that it has not
    acknowledged is past its deadline: unknown means do not send.
    """
    found = await standing(tx, obligations, brand, sender)
    missing = _missing(found)
    until = lease(brand, sender.channel, tx.now).valid_until
    if found.owed.deadline_at:
        until = min(until, found.owed.deadline_at)
    return Clearance(missing is None, tx.now, None if missing else until, found, missing)


def _missing(found: Standing) -> str | None:
    if found.sender.retired_at:
        return "This sender is retired, so it sends no more: add another with a name of its own."
    if found.state == "never_heard" and found.sender.acknowledged is None:
        return "This sender has never acknowledged: pull the suppressions, apply them, acknowledge."
    if found.state == "never_heard":
        return "The register was restored since: pull the suppressions again, apply, acknowledge."
    if found.state == "overdue":
        return (
            f"Of the {found.owed.count} opt-outs that are not acknowledged, the first fell due at "
            f"{found.owed.deadline_at:%Y-%m-%d %H:%M} UTC: read the feed, apply it, acknowledge."
        )
    return None
