"""The ledger: appending to it in order.

The lock on a brand and bucket's head is the first thing a writing transaction takes and the last it
gives up, so positions are dense, become visible in order, and no reader's cursor is ever passed.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import astuple

from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.evidence import Evidence, digest
from prefsvc.ledger_row import LedgerRow, seal
from prefsvc.suppression import ActKind, Effect, Reason, Scope
from prefsvc.vault import Vault

Place = tuple[int, int]
"""A bucket and a brand's number: what one head orders."""

_BUCKET_BITS = 0x3F
_TAIL_BITS = 2**62 - 1


class Entry(Struct, frozen=True):
    """What is to be appended: an act with its outcome."""

    place: Place
    event_id: UUID
    address_key: bytes
    channel: str
    act: ActKind
    scope: Scope
    reason: Reason
    effect: Effect
    source: str
    sent_at: datetime | None
    received_at: datetime
    deadline_at: datetime | None
    deadline: Json
    evidence: Evidence
    idempotency_key: str | None


def new_event_id(now: datetime, bucket: int) -> UUID:
    """Make an id that sorts by time (UUID version 7) and ends in its bucket, so finds its row."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    chance = secrets.randbits(74)
    tail = chance & _TAIL_BITS & ~_BUCKET_BITS | bucket
    return UUID(int=milliseconds << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | tail)


def earliest_event_id(at: datetime) -> UUID:
    """Return an id that no event of this moment or later comes before."""
    return UUID(int=(int(at.timestamp() * 1000) & (2**48 - 1)) << 80)


def bucket_of_event(event_id: UUID) -> int:
    """Return the bucket that an event's id names."""
    return event_id.int & _BUCKET_BITS


Reserved = Mapping[Place, int]
"""The last of the positions that a transaction has reserved in each place."""


async def lock(tx: Tx, places: Iterable[Place]) -> None:
    """Lock these heads until the transaction ends; in order, so that two writers never deadlock."""
    await _advance(tx, dict.fromkeys(places, 0))


async def reserve(tx: Tx, counts: Mapping[Place, int]) -> Reserved:
    """Lock these heads, as `lock` does, and reserve as many positions as will likely be needed."""
    return await _advance(tx, counts)


async def append(
    tx: Tx, vault: Vault, entries: Sequence[Entry], counts: Mapping[Place, int], reserved: Reserved
) -> list[int]:
    """Append to places where positions were reserved; return the positions given out.

    There may be more or fewer entries than `counts` foresaw: the heads go on or back to where the
    entries end, which nobody can have seen yet.
    """
    positions = await _positions(tx, entries, counts, reserved)
    rows = [_row(tx, entry, at) for entry, at in zip(entries, positions, strict=True)]
    await queries.append_events(tx.conn, rows=[_sealed(vault, row) for row in rows])
    await queries.keep_evidence(
        tx.conn,
        rows=[
            queries.KeepEvidenceIn(bucket=e.place[0], event_id=e.event_id, content=e.evidence)
            for e in entries
        ],
    )
    return positions


async def _positions(
    tx: Tx, entries: Sequence[Entry], counts: Mapping[Place, int], reserved: Reserved
) -> list[int]:
    needed = Counter(entry.place for entry in entries)
    await queries.adjust_heads(
        tx.conn,
        rows=[
            queries.AdjustHeadsIn(bucket=at[0], brand_id=at[1], count=needed[at] - count)
            for at, count in sorted(counts.items())
            if needed[at] != count
        ],
    )
    following = {place: reserved[place] - count + 1 for place, count in counts.items()}
    positions = []
    for entry in entries:
        positions.append(following[entry.place])
        following[entry.place] += 1
    return positions


async def _advance(tx: Tx, counts: Mapping[Place, int]) -> dict[Place, int]:
    heads = await queries.advance_heads(
        tx.conn,
        rows=[
            queries.AdvanceHeadsIn(bucket=bucket, brand_id=brand_id, count=count)
            for (bucket, brand_id), count in sorted(counts.items())
        ],
    )
    return {(head.bucket, head.brand_id): head.position for head in heads}


def _row(tx: Tx, entry: Entry, position: int) -> LedgerRow:
    bucket, brand_id = entry.place
    return LedgerRow(
        bucket=bucket,
        brand_id=brand_id,
        position=position,
        event_id=entry.event_id,
        address_key=entry.address_key,
        channel=entry.channel,
        act=entry.act,
        scope=entry.scope.kind,
        topic=entry.scope.topic,
        reason=entry.reason,
        effect=entry.effect,
        source=entry.source,
        sent_at=entry.sent_at,
        received_at=entry.received_at,
        recorded_at=tx.now,
        deadline_at=entry.deadline_at,
        deadline=entry.deadline,
        evidence_sha256=digest(entry.evidence),
        idempotency_key=entry.idempotency_key,
    )


def _sealed(vault: Vault, row: LedgerRow) -> queries.AppendEventsIn:
    # In the order of append_events: a row is written as it is sealed.
    return queries.AppendEventsIn(*(*astuple(row), seal(vault.seal_key, row.to_bytes())))
