"""Who has heard of one opt-out: when each sender was told of it, and when it acknowledged it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from prefsvc import senders
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.installation import epoch_began_at
from prefsvc.ledger import bucket_of_event
from prefsvc.sender import Sender
from prefsvc.suppressions import head

HeardState = Literal["acknowledged", "owed", "overdue", "earlier_history"]

CLOCKS_APART: Final = timedelta(hours=1)
"""Nobody hears of what is not recorded yet, but two machines' clocks may disagree about it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one sender has heard of an opt-out, in this history.

    `earlier_history`: it was recorded before the register was restored, and the sender has not
    acknowledged it since; what it had heard until then no longer counts.
    """

    sender: Sender
    told_at: datetime | None
    acknowledged_at: datetime | None
    state: HeardState


@dataclass(frozen=True, slots=True)
class _History:
    """The history that counts now."""

    end: Cursor
    began_at: datetime | None


async def of(
    tx: Tx, brand: AppliedBrand, said: queries.EventRow, *, sender: str | None = None
) -> list[Heard]:
    """Say who has heard of an opt-out: the senders of its channel, or the one of this name.

    What changed no suppression is in nobody's feed, and what lifted one is owed by nobody.
    """
    if said.effect != "added":
        return []
    every = await senders.every(tx, brand)
    history = _History(await head(tx, brand), await epoch_began_at(tx))
    return [
        await _heard(tx, brand, one, said, history)
        for one in every
        if one.channel == said.channel
        and sender in {None, one.slug}
        and not (one.retired_at and one.retired_at < said.recorded_at)
    ]


async def _heard(
    tx: Tx, brand: AppliedBrand, sender: Sender, said: queries.EventRow, history: _History
) -> Heard:
    bucket, epoch = bucket_of_event(said.event_id), history.end.epoch
    known = sender.known(epoch)
    acknowledged_at = None
    if known and known.positions[bucket] >= said.position:
        acknowledged_at = await queries.first_acknowledgement(
            tx.conn,
            sender_id=sender.sender_id,
            feed_epoch=epoch,
            since=said.recorded_at - CLOCKS_APART,
            bucket=bucket,
            position=said.position,
        )
    told_at = await queries.first_handover(
        tx.conn,
        sender_id=sender.sender_id,
        feed_epoch=epoch,
        since=said.recorded_at - CLOCKS_APART,
        upto=acknowledged_at or tx.now,
        bucket=bucket,
        position=said.position,
    )
    state = _state(tx.now, brand, sender, said, history) if not acknowledged_at else "acknowledged"
    return Heard(sender, told_at, acknowledged_at, state)


def _state(
    now: datetime, brand: AppliedBrand, sender: Sender, said: queries.EventRow, history: _History
) -> HeardState:
    """Return the state of what a sender has not acknowledged."""
    due_at = said.deadline_at
    if due_at and not sender.known(history.end.epoch):
        due_at = max(due_at, senders.grace(brand, sender, history.began_at).at(1))
    if due_at and due_at <= now:
        return "overdue"
    if history.began_at and said.recorded_at < history.began_at:
        return "earlier_history"
    return "owed"
