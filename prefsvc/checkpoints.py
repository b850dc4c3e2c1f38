"""Checkpoints: signed running digests of the ledger, made soon after rows are written.

Any process may make them: the digest is a function of the rows alone, so two that make the same
checkpoint make the same one. A row without a good seal was not written by prefsvc; it is never
signed for, and stops the checkpoints of its place until an operator has looked.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final
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
PLACES_AT_ONCE: Final = 8
ROWS_AT_ONCE: Final = 32
"""How many places one round signs for at the most, and how many rows it digests of each; the next
one goes on. To read the rows from the database is one piece of work, in which nobody is answered.
"""


@dataclass(slots=True)
class Tips:
    """How far this process has digested each place; a memory, read again where there is none."""

    reached: dict[Place, tuple[int, bytes]] = field(default_factory=dict)
    broken: set[Place] = field(default_factory=set)
    """Places whose next row is not as it was written; told once, and by `prefsvc ledger verify`."""
    last: Place = (-1, -1)
    """The place that a round looked at last: those after it have their turn before it has again."""

    def remember(self, made: "Made") -> None:
        """Take in what a round did, once it is committed: nothing was signed for before."""
        self.last = made.last
        self.reached.update(made.reached)
        self.broken.update(made.broken)


@dataclass(frozen=True, slots=True)
class Made:
    """What one round did: the checkpoints made, the places newly found broken, and what is left."""

    count: int
    reached: dict[Place, tuple[int, bytes]]
    broken: tuple[Place, ...]
    last: Place
    has_more: bool = False
    """Whether there are further places to sign for, or rows."""
    is_behind: bool = False
    """Whether a place has more new rows than one round digests."""


@dataclass(frozen=True, slots=True)
class _Grown:
    """A place whose head is beyond what was digested."""

    place: Place
    brand: str
    head: int
    position: int
    digest: bytes


async def make(tx: Tx, vault: Vault, installation_id: UUID, book: BrandBook, tips: Tips) -> Made:
    """Make checkpoints for brands and buckets that have grown since the last one, a few at once.

    That it was made is the caller's to remember, after the commit: what is rolled back is made
    again.
    """
    every = await _grown(tx, installation_id, book, tips)
    every.sort(key=lambda one: (one.place <= tips.last, one.place))
    grown = every[:PLACES_AT_ONCE]
    rows = await _rows_beyond(tx, grown, ROWS_AT_ONCE)
    made: list[queries.KeepCheckpointsIn] = []
    reached: dict[Place, tuple[int, bytes]] = {}
    broken: list[Place] = []
    is_behind = False
    for one in grown:
        await asyncio.sleep(0)  # between any two places, whoever waits is answered
        position, digest = _digest_on(vault, one, rows.get(one.place, []))
        if position < min(one.head, one.position + ROWS_AT_ONCE):
            broken.append(one.place)
        is_behind |= position == one.position + ROWS_AT_ONCE < one.head
        if position > one.position:
            claim = CheckpointClaim(
                installation_id, one.brand, one.place[0], position, digest, tx.now
            )
            made.append(_row(claim, one.place[1], vault))
            reached[one.place] = (position, digest)
    await queries.keep_checkpoints(tx.conn, rows=made)
    last = grown[-1].place if grown else tips.last
    has_more = is_behind or len(every) > len(grown)
    return Made(len(made), reached, tuple(broken), last, has_more, is_behind)


async def _grown(tx: Tx, installation_id: UUID, book: BrandBook, tips: Tips) -> list[_Grown]:
    grown = []
    for row in await queries.all_heads(tx.conn):
        place = (row.bucket, row.brand_id)
        brand = book.by_id.get(row.brand_id)
        if brand is None or place in tips.broken or row.position == 0:
            continue
        reached = tips.reached.get(place) or await _last(tx, installation_id, brand.slug, place)
        tips.reached[place] = reached
        if reached[0] < row.position:
            grown.append(_Grown(place, brand.slug, row.position, *reached))
    return grown


async def _rows_beyond(
    tx: Tx, grown: Sequence[_Grown], size: int
) -> dict[Place, list[queries.LedgerBeyondRow]]:
    """Read what each place has grown by, all in one go."""
    asked = [queries.LedgerBeyondIn(*one.place, after=one.position) for one in grown]
    found: dict[Place, list[queries.LedgerBeyondRow]] = {}
    for row in await queries.ledger_beyond(tx.conn, rows=asked, size=size):
        found.setdefault((row.bucket, row.brand_id), []).append(row)
    return found


def _digest_on(
    vault: Vault, one: _Grown, rows: Sequence[queries.LedgerBeyondRow]
) -> tuple[int, bytes]:
    """Digest these rows as far as each is dense and sealed; return how far that is."""
    position, digest = one.position, one.digest
    for stored in rows:
        row = LedgerRow(*_values(stored))
        octets = row.to_bytes()
        if row.position != position + 1 or not is_sealed(vault.seal_key, octets, stored.seal):
            break
        position, digest = row.position, next_digest(digest, octets, stored.seal)
    return position, digest


_values = attrgetter(*LedgerRow.__struct_fields__)


async def _last(tx: Tx, installation_id: UUID, slug: str, place: Place) -> tuple[int, bytes]:
    bucket, brand_id = place
    row = await queries.last_checkpoint(tx.conn, bucket=bucket, brand_id=brand_id)
    return (row.position, row.digest) if row else (0, first_digest(installation_id, slug, bucket))


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
        for name in LedgerRow.__struct_fields__
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
