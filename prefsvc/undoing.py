"""Undo: taking back the very opt-out that a page or a receipt speaks of, and no other."""

from uuid import UUID

from msgspec.structs import replace

from prefsvc import opt_outs
from prefsvc.act import Act
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import UndoTooLate
from prefsvc.ledger import bucket_of_event
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from prefsvc.vault import Vault


async def scope_of(tx: Tx, brand: AppliedBrand, recipient: Recipient, event_id: UUID) -> Scope:
    """Return what an opt-out of this recipient covers; refuse one that is not theirs."""
    event = await _event(tx, brand, recipient, event_id)
    return Scope.parse(event.scope, event.topic)


async def undo(tx: Tx, vault: Vault, act: Act, event_id: UUID) -> Scope:
    """Record the opt-in `act` in the scope of an opt-out that still stands; return that scope.

    Refused where another opt-out took its place, or where it was said again since: that was a word
    of its own, which this undo knows nothing of (DESIGN 2.4). One that was taken back already stays
    so.
    """
    event = await _event(tx, act.brand, act.recipient, event_id)
    await opt_outs.lock(tx, vault, act.brand, act.recipient)
    scope = Scope.parse(event.scope, event.topic)
    standing = await queries.standing(
        tx.conn,
        bucket=act.recipient.bucket,
        brand_id=act.brand.brand_id,
        address_key=act.recipient.address_key,
        channel=event.channel,
        scope=scope.kind,
        topic=scope.topic,
        reason=event.reason,
    )
    if standing is None:
        return scope
    said_at = min(event.sent_at or event.received_at, event.received_at)
    if (standing.event_id, standing.said_at) != (event_id, said_at):
        raise UndoTooLate
    await opt_outs.withdraw(tx, vault, [replace(act, scope=scope)])
    return scope


async def _event(
    tx: Tx, brand: AppliedBrand, recipient: Recipient, event_id: UUID
) -> queries.EventRow:
    event = await queries.event(
        tx.conn, bucket=bucket_of_event(event_id), event_id=event_id, brand_id=brand.brand_id
    )
    if event is None or event.address_key != recipient.address_key:
        raise UndoTooLate
    return event
