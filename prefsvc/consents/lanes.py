"""Two lanes of the feed for each target: what is recorded from now on, and what was before.

The fresh lane begins at the feed's head when a target is first seen, and carries what is recorded
from then on; the backfill lane carries what lies before that, and imports, so that no bulk delays
anybody's word. Each has its own place in the feed. While a lane has too many rows that place waits:
the ledger itself is the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from prefsvc import feeds
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.feeds import Span
from prefsvc.settings import Settings
from prefsvc.suppressions import head


@dataclass(frozen=True, slots=True)
class Target:
    """A messaging service or a number of a brand, for which Twilio has a block list."""

    brand: AppliedBrand
    name: str


@dataclass(frozen=True, slots=True)
class Lanes:
    """How far a target was told: where its history divides, and the place of either lane."""

    origin: Cursor
    fresh: Cursor
    backfill: Cursor

    @classmethod
    def beginning(cls, end: Cursor) -> "Lanes":
        """Return the lanes of a target that is first seen when the feed has come so far."""
        return cls(end, end, Cursor.start(end.epoch, end.brand_id))

    def place(self, *, is_fresh: bool) -> Cursor:
        """Return the place of one of them."""
        return self.fresh if is_fresh else self.backfill

    def moved(self, place: Cursor, *, is_fresh: bool) -> "Lanes":
        """Return them with one at another place."""
        return replace(self, fresh=place) if is_fresh else replace(self, backfill=place)


@dataclass(frozen=True, slots=True)
class Behind:
    """The targets of a brand of which either lane has more to read."""

    fresh: Sequence[Target]
    backfill: Sequence[Target]


def told_brands(book: BrandBook) -> list[AppliedBrand]:
    """Return the brands whose opt-outs Twilio is told of; a retired one's numbers are not its own.

    What a brand's file no longer names keeps its place, and goes on from there.
    """
    return [
        brand
        for brand in book.by_slug.values()
        if brand.retired_at is None and brand.brand.twilio_targets
    ]


async def read(tx: Tx, brand: AppliedBrand) -> dict[str, Lanes]:
    """Read how far each target of a brand was told; those that were never seen are missing."""
    return {
        row.target: _lanes(brand, row)
        for row in await queries.twilio_targets(tx.conn, brand_id=brand.brand_id)
    }


async def behind(tx: Tx, brand: AppliedBrand) -> Behind:
    """Return the targets whose lanes have not read all there is, or not begun."""
    end = await head(tx, brand)
    known = {
        row.target: row
        for row in await queries.twilio_targets_behind(
            tx.conn, brand_id=brand.brand_id, feed_epoch=end.epoch, positions=list(end.positions)
        )
    }
    names = brand.brand.twilio_targets
    fresh = [one for one in names if one not in known or known[one].is_fresh_behind]
    backfill = [one for one in names if one not in known or known[one].is_backfill_behind]
    return Behind([Target(brand, one) for one in fresh], [Target(brand, one) for one in backfill])


async def advance(tx: Tx, settings: Settings, target: Target, *, is_fresh: bool) -> bool:
    """Read on in a lane of a target, a bounded piece; say whether it moved.

    Not where another process has the target in hand, or too much waits in the brand's lane already.
    """
    lanes = await _locked(tx, target)
    if lanes is None:
        return False
    end = await head(tx, target.brand)
    if lanes.origin.epoch == end.epoch:
        moved = await _moved(tx, settings, target, lanes, end, is_fresh=is_fresh)
    else:
        moved = await _restarted(tx, target, end)
    if moved != lanes:
        await _set(tx, target, moved)
    return moved != lanes


async def _locked(tx: Tx, target: Target) -> Lanes | None:
    """Lock a target's lanes, which begin here if it is seen for the first time."""
    brand_id = target.brand.brand_id
    row = await queries.lock_twilio_target(tx.conn, brand_id=brand_id, target=target.name)
    if row is None:
        await _begin(tx, target)
        row = await queries.lock_twilio_target(tx.conn, brand_id=brand_id, target=target.name)
    return _lanes(target.brand, row) if row else None


async def _moved(
    tx: Tx, settings: Settings, target: Target, lanes: Lanes, end: Cursor, *, is_fresh: bool
) -> Lanes:
    room = await _room(tx, settings, target, is_fresh=is_fresh)
    place = lanes.place(is_fresh=is_fresh)
    for span in feeds.spans_between(place, end, room):
        await _put(tx, target, lanes.origin, span, is_fresh=is_fresh)
        place = place.moved(span.bucket, span.last)
    return lanes.moved(place, is_fresh=is_fresh)


async def _room(tx: Tx, settings: Settings, target: Target, *, is_fresh: bool) -> int:
    """Return how many positions may be read: each may become a row."""
    brand_id, most = target.brand.brand_id, settings.twilio_backlog_max
    waiting = await queries.pending_consent_count(
        tx.conn,
        brand_id=brand_id,
        is_fresh=is_fresh,
        targets=list(target.brand.brand.twilio_targets),
        at_most=most,
    )
    room = min(most - waiting, settings.twilio_positions_max)
    if is_fresh:
        return room
    # Where so much fails, more of it would; people's own words are tried all the same.
    most = settings.twilio_failed_max
    failed = await queries.failed_consent_count(
        tx.conn, brand_id=brand_id, target=target.name, at_most=most
    )
    return min(room, most - failed)


async def _put(tx: Tx, target: Target, origin: Cursor, span: Span, *, is_fresh: bool) -> None:
    changes = await queries.consent_changes(
        tx.conn,
        bucket=span.bucket,
        brand_id=target.brand.brand_id,
        after=span.first - 1,
        upto=span.last,
        is_fresh=is_fresh,
        origin=origin.positions[span.bucket],
    )
    deadlines = _earliest(changes)
    await queries.put_consents(
        tx.conn,
        rows=[
            _row(tx, target, key, deadlines[key], is_fresh=is_fresh)
            # In order, so that it and a request that ends do not wait for each other.
            for key in sorted(deadlines)
        ],
    )


def _earliest(changes: Sequence[queries.ConsentChangesRow]) -> dict[bytes, datetime | None]:
    """Return the earliest deadline of each address among some changes; an opt-in has none."""
    found: dict[bytes, datetime | None] = {}
    for row in changes:
        both = [at for at in (found.get(row.address_key), row.deadline_at) if at]
        found[row.address_key] = min(both, default=None)
    return found


def _row(
    tx: Tx, target: Target, address_key: bytes, deadline_at: datetime | None, *, is_fresh: bool
) -> queries.PutConsentsIn:
    return queries.PutConsentsIn(
        brand_id=target.brand.brand_id,
        target=target.name,
        address_key=address_key,
        is_fresh=is_fresh,
        correlation_id=uuid4(),
        deadline_at=deadline_at,
        created_at=tx.now,
        state="pending",
        attempt_count=0,
        next_attempt_at=tx.now,
        is_alone=False,
    )


async def _begin(tx: Tx, target: Target) -> None:
    begun = Lanes.beginning(await head(tx, target.brand))
    await queries.begin_twilio_target(
        tx.conn,
        brand_id=target.brand.brand_id,
        target=target.name,
        feed_epoch=begun.origin.epoch,
        origin=list(begun.origin.positions),
        fresh=list(begun.fresh.positions),
        backfill=list(begun.backfill.positions),
    )


async def _restarted(tx: Tx, target: Target, end: Cursor) -> Lanes:
    """Begin both lanes anew: the register was restored, and its positions mean others now.

    What stands is told again as backfill, which opts nobody in: whoever had come back may have said
    stop in the days that were lost.
    """
    await queries.forget_target_consents(
        tx.conn, brand_id=target.brand.brand_id, target=target.name
    )
    return Lanes.beginning(end)


async def _set(tx: Tx, target: Target, lanes: Lanes) -> None:
    await queries.set_twilio_target(
        tx.conn,
        brand_id=target.brand.brand_id,
        target=target.name,
        feed_epoch=lanes.origin.epoch,
        origin=list(lanes.origin.positions),
        fresh=list(lanes.fresh.positions),
        backfill=list(lanes.backfill.positions),
    )


def _lanes(
    brand: AppliedBrand, row: queries.TwilioTargetsRow | queries.LockTwilioTargetRow
) -> Lanes:
    origin, fresh, backfill = (
        Cursor(row.feed_epoch, brand.brand_id, tuple(positions))
        for positions in (row.origin, row.fresh, row.backfill)
    )
    return Lanes(origin, fresh, backfill)
