"""Mailings: which list each was sent to, written down before it went out.

A mailing is registered with the cursor that its list was cut at. So nobody need guess afterwards
what it knew, and print in production before an opt-out can be told from a letter that defied it
(SEEDS 4, RULES L-55).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from prefsvc import feeds, senders, suppressions
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import MailingExists, UnknownMailing
from prefsvc.obligations import Obligations
from prefsvc.sender import Sender
from prefsvc.senders import Clearance
from prefsvc.suppression import MessageClass, parse_message_class


@dataclass(frozen=True, slots=True)
class Mailing:
    """A mailing, and the cursor that its list was cut at.

    `head_positions` is how far the feed had come when it was registered, bucket by bucket. Whatever
    is beyond was recorded afterwards, whichever process's clock says what.
    """

    name: str
    cursor: Cursor
    topic: str | None
    message_class: MessageClass
    registered_at: datetime
    head_positions: tuple[int, ...]

    def is_as(self, other: "Mailing") -> bool:
        """Say whether both are the same but for when they were registered."""
        mine = (self.name, self.cursor, self.topic, self.message_class)
        return mine == (other.name, other.cursor, other.topic, other.message_class)


async def register(
    tx: Tx,
    brand: AppliedBrand,
    sender: Sender,
    name: str,
    cursor: Cursor,
    *,
    topic: str | None = None,
    message_class: MessageClass | None = None,
) -> tuple[Mailing, bool]:
    """Register a mailing; return it, and whether it is new.

    Refused where the cursor is not of this feed, or the name stands for another list already. The
    same again is the first one.
    """
    await feeds.checked(tx, brand, cursor)
    asked = suppressions.question(
        brand, sender.channel, topic=topic, message_class=message_class, purpose="message"
    )
    end = await suppressions.head(tx, brand)
    made = Mailing(name, cursor, topic, asked.message_class, tx.now, end.positions)
    if await _registered(tx, sender.sender_id, made):
        return made, True
    known = await find(tx, brand, sender, name)
    if not known.is_as(made):
        raise MailingExists
    return known, False


async def _registered(tx: Tx, sender_id: UUID, mailing: Mailing) -> bool:
    row = await queries.register_mailing(
        tx.conn,
        sender_id=sender_id,
        name=mailing.name,
        feed_epoch=mailing.cursor.epoch,
        positions=list(mailing.cursor.positions),
        topic=mailing.topic,
        message_class=mailing.message_class,
        registered_at=mailing.registered_at,
        head_positions=list(mailing.head_positions),
    )
    return row is not None


async def clearance(
    tx: Tx, obligations: Obligations, brand: AppliedBrand, sender: Sender, mailing: Mailing
) -> Clearance:
    """Say whether a mailing may go out now with the list it was cut from.

    Not while its sender has none itself. And what the sender has acknowledged since does not help a
    list that was cut before.
    """
    own = await senders.clearance(tx, obligations, brand, sender)
    if not own.is_given:
        return own
    as_listed = replace(sender, acknowledged=mailing.cursor)
    found = await senders.clearance(tx, obligations, brand, as_listed)
    if found.is_given:
        return found
    if found.standing.state == "never_heard":
        return replace(found, missing="The register was restored since: cut the list anew.")
    return replace(found, missing="An opt-out that the list lacks is due: cut the list anew.")


async def find(tx: Tx, brand: AppliedBrand, sender: Sender, name: str) -> Mailing:
    """Return a sender's mailing of this name, or refuse."""
    known = await named(tx, brand, sender, [name])
    if name not in known:
        raise UnknownMailing
    return known[name]


async def named(
    tx: Tx, brand: AppliedBrand, sender: Sender, names: Collection[str]
) -> dict[str, Mailing]:
    """Return those of a sender's mailings that have these names."""
    if not names:
        return {}
    rows = await queries.mailings_named(tx.conn, sender_id=sender.sender_id, names=sorted(names))
    return {row.name: _mailing(brand, row) for row in rows}


async def newest(tx: Tx, brand: AppliedBrand, sender: Sender, *, size: int) -> list[Mailing]:
    """Return a sender's mailings, the newest first."""
    rows = await queries.newest_mailings(tx.conn, sender_id=sender.sender_id, size=size)
    return [_mailing(brand, row) for row in rows]


def _mailing(
    brand: AppliedBrand, row: queries.MailingsNamedRow | queries.NewestMailingsRow
) -> Mailing:
    return Mailing(
        row.name,
        Cursor(row.feed_epoch, brand.brand_id, tuple(row.positions)),
        row.topic,
        parse_message_class(row.message_class),
        row.registered_at,
        tuple(row.head_positions),
    )
