"""Tallies: sums over whole blocks of the ledger, so that a long range is summed without its rows.

The ledger only grows, so what was added between two positions never changes: a tally is written
once, by any process, and its absence only makes a sum slower. `prefsvc ledger verify` makes each
one again and compares.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Final, TypeAlias

from prefsvc.address import CHANNELS
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.ledger import Place
from prefsvc.standing import NOTHING_OWED, Owed, together

BLOCK_POSITIONS: Final = 256
"""Block n covers the positions n * 256 + 1 to (n + 1) * 256."""
BLOCKS_A_ROUND: Final = 64
PAGE_BLOCKS: Final = 256

Sums: TypeAlias = Mapping[str, Owed]
"""For each channel, what was added in some range."""


@dataclass(frozen=True, slots=True)
class _Range:
    """The positions of one bucket beyond `after`, up to `upto`."""

    after: int
    upto: int

    @property
    def first_block(self) -> int:
        return -(-self.after // BLOCK_POSITIONS)

    @property
    def end_block(self) -> int:
        return self.upto // BLOCK_POSITIONS

    def edges(self, first: int, end: int) -> Iterator["_Range"]:
        """Yield what is left of it around the blocks from `first` to before `end`."""
        if first >= end:
            yield self
            return
        for edge in (
            _Range(self.after, first * BLOCK_POSITIONS),
            _Range(end * BLOCK_POSITIONS, self.upto),
        ):
            if edge.after < edge.upto:
                yield edge


async def from_each(tx: Tx, place: Place, starts: Sequence[int], upto: int) -> dict[int, Sums]:
    """Sum up what was added beyond each of these positions, up to the last.

    They are in order and before `upto`. No row or tally is summed up twice, however many there are.
    """
    sums: dict[int, Sums] = {}
    beyond: Sums = {}
    between = await _between(tx, place, [*starts, upto])
    for start, part in zip(reversed(starts), reversed(between), strict=True):
        beyond = {
            channel: together(each[channel] for each in (part, beyond) if channel in each)
            for channel in part.keys() | beyond.keys()
        }
        sums[start] = beyond
    return sums


async def _between(tx: Tx, place: Place, cuts: Sequence[int]) -> list[Sums]:
    """Sum up what was added between each two neighbours: by tallies, and rows around them."""
    ranges = [_Range(after, upto) for after, upto in pairwise(cuts)]
    parts: list[dict[str, list[Owed]]] = [defaultdict(list) for _ in ranges]
    ends = [each.first_block for each in ranges]
    for number, found in await _tallied(tx, place, ranges):
        if end := _end_of_prefix(ranges[number].first_block, found):
            ends[number] = end
            for tallied in found:
                parts[number][tallied.channel].append(_owed(tallied))
    for each, end, part in zip(ranges, ends, parts, strict=True):
        for edge in each.edges(each.first_block, end):
            for row in await _added(tx, place, edge):
                part[row.channel].append(_owed(row))
    return [{channel: together(each) for channel, each in by.items()} for by in parts]


async def _tallied(
    tx: Tx, place: Place, ranges: Sequence[_Range]
) -> list[tuple[int, list[queries.TalliedRow]]]:
    bucket, brand_id = place
    rows = await queries.tallied(
        tx.conn,
        rows=[
            queries.TalliedIn(number=number, first=each.first_block, upto=each.end_block)
            for number, each in enumerate(ranges)
            if each.first_block < each.end_block
        ],
        bucket=bucket,
        brand_id=brand_id,
    )
    rows.sort(key=lambda row: row.number)
    return [(number, list(found)) for number, found in groupby(rows, key=lambda row: row.number)]


def _end_of_prefix(first: int, found: Sequence[queries.TalliedRow]) -> int | None:
    """Return the block that the tallies end before; None where they leave one out."""
    end = found[0].last_block + 1
    every = {(row.last_block + 1, row.block_count) for row in found}
    is_whole = len(found) == len(CHANNELS) and every == {(end, end - first)}
    return end if is_whole else None


async def _added(tx: Tx, place: Place, within: _Range) -> list[queries.AddedRow]:
    bucket, brand_id = place
    return await queries.added(
        tx.conn,
        block_positions=BLOCK_POSITIONS,
        bucket=bucket,
        brand_id=brand_id,
        after=within.after,
        upto=within.upto,
    )


def _owed(row: queries.TalliedRow | queries.AddedRow | queries.TalliesRow) -> Owed:
    return Owed(row.added_count, row.half_at, row.four_fifths_at, row.target_at, row.deadline_at)


@dataclass(slots=True)
class Reached:
    """How many blocks of each place this process knows to be tallied, so that idle rounds rest."""

    blocks: dict[Place, int] = field(default_factory=dict)


async def make(tx: Tx, reached: Reached) -> int:
    """Tally blocks that are complete, at most BLOCKS_A_ROUND; return how many."""
    made = 0
    done: dict[Place, int] = {}
    for head in await queries.all_heads(tx.conn):
        place, complete = (head.bucket, head.brand_id), head.position // BLOCK_POSITIONS
        if complete <= reached.blocks.get(place, 0) or made >= BLOCKS_A_ROUND:
            continue
        # A process that does not know a channel yet leaves it out: that block is made again.
        first = min(await _ends(tx, place))
        end = min(complete, first + BLOCKS_A_ROUND - made)
        await _keep(tx, place, range(first, end))
        made += max(0, end - first)
        done[place] = end
    reached.blocks |= done
    return made


async def _ends(tx: Tx, place: Place) -> list[int]:
    """Return for each channel the block that its tallies end before."""
    bucket, brand_id = place
    lasts = [
        await queries.last_tally(tx.conn, bucket=bucket, brand_id=brand_id, channel=channel)
        for channel in CHANNELS
    ]
    return [0 if last is None else last + 1 for last in lasts]


async def _keep(tx: Tx, place: Place, blocks: range) -> None:
    bucket, brand_id = place
    await queries.keep_tallies(
        tx.conn,
        rows=[
            queries.KeepTalliesIn(
                bucket=bucket,
                brand_id=brand_id,
                channel=channel,
                block=block,
                added_count=owed.count,
                half_at=owed.half_at,
                four_fifths_at=owed.four_fifths_at,
                target_at=owed.target_at,
                deadline_at=owed.deadline_at,
            )
            for (block, channel), owed in (await _counted(tx, place, blocks)).items()
        ],
    )


async def _counted(tx: Tx, place: Place, blocks: range) -> dict[tuple[int, str], Owed]:
    """Sum these blocks up from the ledger itself, each for every channel."""
    within = _Range(blocks.start * BLOCK_POSITIONS, blocks.stop * BLOCK_POSITIONS)
    found = {(row.block, row.channel): _owed(row) for row in await _added(tx, place, within)}
    return {
        (block, channel): found.get((block, channel), NOTHING_OWED)
        for block in blocks
        for channel in CHANNELS
    }


async def wrong(tx: Tx, place: Place, head: int) -> list[str]:
    """Say which tallies of a brand and bucket are not what the ledger says, or left one out."""
    bucket, brand_id = place
    end = max(await _ends(tx, place))
    found: list[str] = []
    for first in range(0, end, PAGE_BLOCKS):
        blocks = range(first, min(end, first + PAGE_BLOCKS))
        rows = await queries.tallies(
            tx.conn, bucket=bucket, brand_id=brand_id, first=blocks.start, upto=blocks.stop
        )
        kept = {(row.block, row.channel): _owed(row) for row in rows}
        counted = await _counted(tx, place, blocks)
        found += [
            f"the tally of block {block} ({channel}) is not what the ledger says"
            for (block, channel), owed in counted.items()
            if kept.get((block, channel)) != owed or block >= head // BLOCK_POSITIONS
        ]
    return found
