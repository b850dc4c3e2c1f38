"""How deadlines were counted: what each opt-out keeps of it, and reading that back.

What many opt-outs have in common, their basis, is stored once; see db.connection.Bases for when.
"""

from collections.abc import Mapping
from typing import Any

from prefsvc.db import queries
from prefsvc.db.connection import Database, Json, Tx
from prefsvc.honour import Basis, Deadline, Due, Moments


def stored(tx: Tx, basis: Basis, due: Due, moments: Moments) -> Json:
    """Return what an opt-out keeps of its reckoning: the rest if its basis is stored, or all."""
    if basis.id in tx.bases.stored:
        return basis.stored(due)
    tx.bases.wanted[basis.id] = basis.to_document()
    return basis.deadline(moments).to_document()


async def store_wanted(database: Database) -> None:
    """Store the bases that opt-outs were counted by and that are not stored yet."""
    wanted = dict(database.bases.wanted)
    async with database.transaction() as tx:
        await queries.keep_bases(
            tx.conn,
            rows=[
                queries.KeepBasesIn(basis_id=basis_id, document=document, kept_at=tx.now)
                for basis_id, document in sorted(wanted.items())
            ],
        )
    database.bases.stored.update(wanted)
    for basis_id in wanted:
        database.bases.wanted.pop(basis_id, None)


async def learn(tx: Tx) -> None:
    """Read which bases are stored: at the start, and where the database has another history."""
    known = {row.basis_id for row in await queries.bases(tx.conn)}
    tx.bases.stored.intersection_update(known)
    tx.bases.stored.update(known)


class Reckonings:
    """Reads deadlines back; what many have in common is read once."""

    def __init__(self, tx: Tx) -> None:
        """Read in this transaction."""
        self._tx = tx
        self._bases: dict[str, Basis] = {}

    async def of(self, stored: Mapping[str, Any] | None, moments: Moments) -> Deadline | None:
        """Return the deadline of an opt-out, which was said at these moments; of others, None.

        Earlier versions kept with each opt-out all that its deadline was counted by.
        """
        if stored is None:
            return None
        if "basis" not in stored:
            return Deadline.from_document(stored)
        basis = await self._basis(stored["basis"])
        return basis.restored(stored, moments)

    async def document(self, stored: Mapping[str, Any] | None, moments: Moments) -> Json:
        """Return the whole reckoning as a document: every window, its outcome, why one binds."""
        deadline = await self.of(stored, moments)
        return deadline.to_document() if deadline else None

    async def _basis(self, basis_id: str) -> Basis:
        if basis_id not in self._bases:
            document = await queries.basis(self._tx.conn, basis_id=basis_id)
            if document is None:
                raise LookupError("what a deadline was counted by is gone: `prefsvc ledger verify`")
            self._bases[basis_id] = Basis.from_document(document.document)
        return self._bases[basis_id]
