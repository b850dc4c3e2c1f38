"""This installation: founded once, recognised at every start, aware of its history."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import OtherSecrets
from prefsvc.vault import PEPPER_VERSION, Vault


@dataclass(frozen=True, slots=True)
class Installation:
    """Who this is: the id that signatures carry, and the feed epoch that cursors carry."""

    installation_id: UUID
    feed_epoch: UUID


async def recognise(tx: Tx, vault: Vault) -> Installation:
    """Found the installation at the very first start; at any other, refuse other secrets.

    A server whose identity or timeline changed since was restored or failed over: positions may
    have been given out twice, so a new feed epoch begins and old cursors are refused.
    """
    history = await queries.server_history(tx.conn)
    await queries.found_installation(
        tx.conn,
        installation_id=uuid4(),
        feed_epoch=uuid4(),
        server_history=history,
        bucket_count=BUCKET_COUNT,
        pepper_version=PEPPER_VERSION,
        pepper_fingerprint=vault.pepper_fingerprint,
        ledger_fingerprint=vault.ledger_fingerprint,
        created_at=tx.now,
    )
    row = await _row(tx)
    if row.pepper_fingerprint != vault.pepper_fingerprint:
        raise OtherSecrets(
            "This database's addresses were keyed with another pepper; with the one given here no "
            "opt-out in it would be found. Bring back the secrets folder that belongs to it."
        )
    if row.ledger_fingerprint != vault.ledger_fingerprint:
        raise OtherSecrets(
            "This database's ledger was signed with another ledger key. Bring back the secrets "
            "folder that belongs to it."
        )
    if row.server_history != history:
        await begin_epoch(tx, previous_history=row.server_history, history=history)
        row = await _row(tx)
    return Installation(row.installation_id, row.feed_epoch)


async def begin_epoch(tx: Tx, *, previous_history: str, history: str) -> None:
    """Begin a new feed epoch, once however many processes notice."""
    await queries.begin_epoch(
        tx.conn,
        feed_epoch=uuid4(),
        server_history=history,
        now=tx.now,
        previous_history=previous_history,
    )


async def feed_epoch(tx: Tx) -> UUID:
    """Read the epoch that cursors must carry now."""
    return (await _row(tx)).feed_epoch


async def epoch_began_at(tx: Tx) -> datetime | None:
    """Read since when that epoch is; None where it began before that was written down."""
    return (await _row(tx)).epoch_began_at


async def _row(tx: Tx) -> queries.InstallationRow:
    row = await queries.installation(tx.conn)
    if row is None:
        raise LookupError("the installation's row is missing: the database was emptied by hand")
    return row
