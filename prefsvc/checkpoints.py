"""Checkpoints: signed running digests of the ledger, made soon after rows are written.

Any process may make them: the digest is a function of the rows alone, so two that make the same
checkpoint make the same one. A row without a good seal was not written by prefsvc; it is never
signed for, and stops the checkpoints of its place until an operator has looked.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.ledger import Place
from prefsvc.ledger_row import CheckpointClaim, LedgerRow, first_digest, is_sealed, next_digest
from prefsvc.vault import Vault

PAGE_ROWS = 1000


@dataclass(slots=True)
class Tips:
    """How far this process has digested each place; a memory, read again where there is none."""

    reached: dict[Place, tuple[int, bytes]] = field(default_factory=dict)
    broken: set[Place] = field(default_factory=set)
    """Places whose next row is not as it was written; told once, and by `prefsvc ledger verify`."""


@dataclass(frozen=True, slots=True)
class Made:
    """What one round did: the checkpoints made, and the places newly found broken."""

    count: int
    broken: tuple[Place, ...]


async def make(tx: Tx, vault: Vault, installation_id: UUID, book: BrandBook, tips: Tips) -> Made:
    """Make a checkpoint for each brand and bucket that has grown since the last one."""
    made: list[queries.KeepCheckpointsIn] = []
    broken: list[Place] = []
    for row in await queries.all_heads(tx.conn):
        place = (row.bucket, row.brand_id)
        brand = book.by_id.get(row.brand_id)
        if brand is None or place in tips.broken or row.position == 0:
            continue
        slug = brand.slug
        position, digest = tips.reached.get(place) or await _last(tx, installation_id, slug, place)
        tips.reached[place] = (position, digest)
        if position >= row.position:
            continue
        position, digest, is_whole = await _digest_on(tx, vault, place, position, digest)
        if not is_whole and position < row.position:
            broken.append(place)
        claim = CheckpointClaim(installation_id, slug, row.bucket, position, digest, tx.now)
        if position > tips.reached[place][0]:
            made.append(_row(claim, row.brand_id, vault))
            tips.reached[place] = (position, digest)
    await queries.keep_checkpoints(tx.conn, rows=made)
    tips.broken.update(broken)
    return Made(len(made), tuple(broken))


async def _last(tx: Tx, installation_id: UUID, slug: str, place: Place) -> tuple[int, bytes]:
    bucket, brand_id = place
    row = await queries.last_checkpoint(tx.conn, bucket=bucket, brand_id=brand_id)
    return (row.position, row.digest) if row else (0, first_digest(installation_id, slug, bucket))


async def _digest_on(
    tx: Tx, vault: Vault, place: Place, position: int, digest: bytes
) -> tuple[int, bytes, bool]:
    """Digest a page of rows further; say whether it was a full one, each row dense and sealed."""
    bucket, brand_id = place
    rows = await queries.ledger_page(
        tx.conn, bucket=bucket, brand_id=brand_id, after=position, size=PAGE_ROWS
    )
    for stored in rows:
        row = ledger_row(place, stored)
        if row.position != position + 1 or not is_sealed(vault.seal_key, row, stored.seal):
            return position, digest, False
        position, digest = row.position, next_digest(digest, row, stored.seal)
    # A page that is not full ends at the head, or rows at the end are missing.
    return position, digest, len(rows) == PAGE_ROWS


def _row(claim: CheckpointClaim, brand_id: int, vault: Vault) -> queries.KeepCheckpointsIn:
    return queries.KeepCheckpointsIn(
        bucket=claim.bucket,
        brand_id=brand_id,
        position=claim.position,
        digest=claim.digest,
        made_at=claim.made_at,
        signature=claim.sign(vault.signing_key),
    )


def ledger_row(place: Place, stored: queries.LedgerPageRow) -> LedgerRow:
    """Return the stored row as it is sealed and digested."""
    bucket, brand_id = place
    fields = {
        name: getattr(stored, name)
        for name in LedgerRow.__slots__
        if name not in {"bucket", "brand_id"}
    }
    return LedgerRow(bucket=bucket, brand_id=brand_id, **fields)


async def kept(tx: Tx, place: Place) -> AsyncIterator[queries.CheckpointsRow]:
    """Yield the checkpoints of a brand and bucket, in order."""
    bucket, brand_id = place
    after = 0
    while rows := await queries.checkpoints(
        tx.conn, bucket=bucket, brand_id=brand_id, after=after, size=PAGE_ROWS
    ):
        for row in rows:
            yield row
        after = rows[-1].position


async def exported(tx: Tx, brand: AppliedBrand) -> AsyncIterator[bytes]:
    """Yield a brand's checkpoints as lines of JSON, to be kept where nobody here can reach."""
    for bucket in range(BUCKET_COUNT):
        async for row in kept(tx, (bucket, brand.brand_id)):
            line = {
                "brand": brand.slug,
                "bucket": bucket,
                "position": row.position,
                "digest": row.digest.hex(),
                "made_at": row.made_at,
                "signature": row.signature.hex(),
            }
            yield msgspec.json.encode(line) + b"\n"
