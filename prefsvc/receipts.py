"""Receipts: one mail to who opted out by mail, which says what was stopped, and by when.

It is put on its way in the transaction of the opt-out, like an alarm (prefsvc/deliveries.py), so it
is neither lost nor sent for an opt-out that did not come to be. The queue names the opt-out alone;
to whom it goes and what it says is read when it is sent, so that an erased address gets none.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from prefsvc import deliveries, endpoints
from prefsvc.act import Act
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.deliveries import Notice
from prefsvc.ledger import bucket_of_event
from prefsvc.mail.answering import Letter
from prefsvc.opt_outs import Recorded
from prefsvc.suppression import Scope
from prefsvc.vault import Vault
from prefsvc.wording.texts import language_of_mail

RECEIPT: Final = "receipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt tells, as things stand when it is sent."""

    address: str = field(repr=False)
    event_id: UUID
    scope: Scope
    language: str
    deadline_at: datetime | None
    since: datetime | None
    """When it was stopped, if that was before the mail."""
    offers_undo: bool
    message_id: str | None = field(repr=False)
    references: tuple[str, ...] = field(repr=False)


class _Thread(msgspec.Struct):
    """Which mail is answered, and the conversation it stands in."""

    message_id: str | None
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An act by mail, and what came of it."""

    act: Act
    letter: Letter
    made: Recorded


async def enqueue(
    tx: Tx, vault: Vault, acts: Sequence[Act], recorded: Sequence[Recorded], *, every: timedelta
) -> int:
    """Put on its way what acts by mail are to be answered with; return how many receipts.

    In the transaction that recorded them, after it: of the acts of many callers, too. An address
    has one in `every`, whatever it sends and to whichever brand (E-33).
    """
    wanted = [
        _Wanted(act, act.letter, made)
        for act, made in zip(acts, recorded, strict=True)
        if act.letter and _is_to_tell(made)
    ]
    # First all turns, then all endpoints, each in one order: nobody waits in a circle.
    wanted.sort(key=lambda one: (one.act.recipient.bucket, one.act.recipient.address_key))
    turns = [one for one in wanted if await _takes_turn(tx, one, every)]
    for one in sorted(turns, key=lambda one: one.act.brand.brand_id):
        to = await endpoints.of_receipts(tx, one.act.brand)
        await deliveries.enqueue(tx, [to], Notice(RECEIPT, tx.now, _data(vault, one)))
    return len(turns)


def _is_to_tell(made: Recorded) -> bool:
    """Say whether it is stopped, now or from before; not of a mail that was taken already."""
    return made.effect == "added" if made.is_new else made.stood_before


async def _takes_turn(tx: Tx, one: _Wanted, every: timedelta) -> bool:
    taken = await queries.take_turn(
        tx.conn,
        bucket=one.act.recipient.bucket,
        address_key=one.act.recipient.address_key,
        brand_id=one.act.brand.brand_id,
        event_id=one.made.event_id,
        now=tx.now,
        since=tx.now - every,
    )
    return bool(taken)


def _data(vault: Vault, one: _Wanted) -> Json:
    letter, made = one.letter, one.made
    thread = msgspec.json.encode(_Thread(letter.message_id, letter.references))
    return {
        "event_id": str(made.event_id),
        "is_new": made.is_new,
        # What stood before is not this mail's to lift (DESIGN 2.4).
        "offers_undo": made.is_new and not made.stood_before,
        "language": language_of_mail(letter.languages, one.act.brand.brand.languages),
        # A Message-ID may have an address in it, and none lies open in the queue.
        "thread": base64.b64encode(vault.seal_thread(made.event_id, thread)).decode(),
    }


async def read(tx: Tx, vault: Vault, brand: AppliedBrand, data: Json) -> Receipt | None:
    """Return what a receipt in the queue tells now.

    None where there is nothing to tell any more: what was stopped goes on again by the person's own
    word, or the address was erased.
    """
    event_id = UUID(data["event_id"])
    row = await queries.told_by_receipt(
        tx.conn, bucket=bucket_of_event(event_id), event_id=event_id, brand_id=brand.brand_id
    )
    if row is None:
        return None
    thread = msgspec.json.decode(
        vault.open_thread(event_id, base64.b64decode(data["thread"])), type=_Thread
    )
    return Receipt(
        address=row.canonical,
        event_id=event_id,
        scope=Scope.parse(row.scope, row.topic),
        language=data["language"],
        deadline_at=row.deadline_at,
        since=None if data["is_new"] else row.received_at,
        offers_undo=data["offers_undo"] and row.standing_id == event_id,
        message_id=thread.message_id,
        references=thread.references,
    )
