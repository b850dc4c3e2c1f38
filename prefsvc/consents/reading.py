"""What the register says of numbers at the moment they are told, and why some are not told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from prefsvc.address import bucket_of
from prefsvc.consents import words
from prefsvc.consents.words import Said, Word
from prefsvc.db import queries
from prefsvc.db.connection import Tx

Dropped = Literal["nothing_to_tell", "erased"]
Row = queries.ClaimConsentsRow


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a number."""

    number: str = field(repr=False)
    word: Word


@dataclass(slots=True)
class _Standing:
    """What the register has of an address: its opt-outs from all texts, and what lifted others."""

    opt_outs: list[Said] = field(default_factory=list)
    lifts: list[Said] = field(default_factory=list)
    has_another_owner: bool = False
    number: str | None = field(default=None, repr=False)


_Standings = defaultdict[tuple[int, bytes], _Standing]


async def read(tx: Tx, rows: Sequence[Row]) -> list[tuple[Row, Told | Dropped]]:
    """Return what is told of each row, or why it is dropped."""
    standings: _Standings = defaultdict(_Standing)
    # Bucket by bucket: each statement meets one shard.
    for (brand_id, bucket), keys in _places(rows).items():
        await _read_opt_outs(tx, standings, brand_id, bucket, keys)
        await _read_lifts(tx, standings, brand_id, bucket, keys)
    return [(row, _told(row, standings[row.brand_id, row.address_key])) for row in rows]


async def _read_opt_outs(
    tx: Tx, standings: _Standings, brand_id: int, bucket: int, keys: list[bytes]
) -> None:
    for row in await queries.consent_opt_outs(
        tx.conn, bucket=bucket, brand_id=brand_id, address_keys=keys
    ):
        standing = standings[brand_id, row.address_key]
        if row.reason == "reassigned":
            standing.has_another_owner = True
        else:
            standing.opt_outs.append(Said(row.said_at, row.source or "unknown"))
        standing.number = row.canonical


async def _read_lifts(
    tx: Tx, standings: _Standings, brand_id: int, bucket: int, keys: list[bytes]
) -> None:
    for row in await queries.consent_lifts(
        tx.conn, bucket=bucket, brand_id=brand_id, address_keys=keys
    ):
        standing = standings[brand_id, row.address_key]
        said_at = min(row.sent_at or row.received_at, row.received_at)
        standing.lifts.append(Said(said_at, row.source))
        standing.number = row.canonical


def _told(row: Row, standing: _Standing) -> Told | Dropped:
    # The last owner's START opts no stranger in (S-33).
    lifts = [] if standing.has_another_owner else standing.lifts
    word = words.word(standing.opt_outs, lifts, is_fresh=row.is_fresh)
    if word is None:
        return "nothing_to_tell"
    return Told(standing.number, word) if standing.number else "erased"


def _places(rows: Sequence[Row]) -> Mapping[tuple[int, int], list[bytes]]:
    found: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    for row in rows:
        found[row.brand_id, bucket_of(row.address_key)].add(row.address_key)
    return {place: sorted(keys) for place, keys in found.items()}
