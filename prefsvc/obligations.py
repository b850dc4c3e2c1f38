"""Obligations: what a sender owes, derived from the ledger beyond its acknowledgement.

Nothing is stored: a sum over positions of a ledger that only grows is a fact that can be kept in
memory and continued, so asking again costs as much as was recorded in between, and asking for the
first time a few statements a bucket (tallies.py), however many millions are owed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from prefsvc import tallies
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import BUCKET_COUNT, Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.sender import Sender
from prefsvc.standing import NOTHING_OWED, Owed, together
from prefsvc.suppressions import head


@dataclass(frozen=True, slots=True)
class _Known:
    """What was added for one sender beyond `after`, up to `upto`: for each bucket, and in all."""

    after: Cursor
    upto: Cursor
    parts: tuple[Owed, ...]
    total: Owed

    @classmethod
    def nothing(cls, after: Cursor) -> "_Known":
        """Know of nothing beyond a cursor yet."""
        return cls(after, after, (NOTHING_OWED,) * BUCKET_COUNT, NOTHING_OWED)

    def beyond(self, after: Cursor) -> "_Known":
        """Forget the buckets in which the sender has acknowledged something else since."""
        if self.after == after:
            return self
        if self.after.epoch != after.epoch:
            return _Known.nothing(after)
        places = list(zip(self.after.positions, after.positions, strict=True))
        upto = [
            mine if was == is_now else is_now
            for mine, (was, is_now) in zip(self.upto.positions, places, strict=True)
        ]
        parts = [
            part if was == is_now else NOTHING_OWED
            for part, (was, is_now) in zip(self.parts, places, strict=True)
        ]
        return _known(after, upto, parts)

    def extended(self, more: Mapping[int, Owed], end: Cursor) -> "_Known":
        """Add what was recorded since, which is up to `end` in each of these buckets."""
        if not more:
            return self
        upto = [
            end.positions[bucket] if bucket in more else position
            for bucket, position in enumerate(self.upto.positions)
        ]
        parts = [
            together([part, more[bucket]]) if bucket in more else part
            for bucket, part in enumerate(self.parts)
        ]
        return _known(self.after, upto, parts)


def _known(after: Cursor, upto: Sequence[int], parts: Sequence[Owed]) -> _Known:
    reached = Cursor(after.epoch, after.brand_id, tuple(upto))
    return _Known(after, reached, tuple(parts), together(parts))


@dataclass(slots=True)
class Obligations:
    """What this process has summed up: one entry for each sender that was asked about.

    Any number of processes hold their own, and all hold the same: what is added between two
    positions is visible to everybody, or to nobody, once the head is past them.
    """

    _known: dict[UUID, _Known] = field(default_factory=dict)

    async def owed(self, tx: Tx, brand: AppliedBrand, sender: Sender, end: Cursor) -> Owed:
        """Sum up the opt-outs of its channel that a sender has not acknowledged, up to `end`."""
        [owed] = await self.owed_by(tx, brand, [sender], end)
        return owed

    async def owed_by(
        self, tx: Tx, brand: AppliedBrand, senders: Sequence[Sender], end: Cursor
    ) -> list[Owed]:
        """Sum up what each of a brand's senders owes, reading what is new to several only once.

        `end` is the head as `tx` saw it; where more is known already, that counts too. `tx` has not
        written to the ledger itself: what is summed up here is kept, and must not be rolled back.
        """
        known = [self._known_of(sender, end) for sender in senders]
        more: list[dict[int, Owed]] = [{} for _ in senders]
        for bucket, upto in enumerate(end.positions):
            behind = [n for n, one in enumerate(known) if one.upto.positions[bucket] < upto]
            if not behind:
                continue
            starts = sorted({known[n].upto.positions[bucket] for n in behind})
            sums = await tallies.from_each(tx, (bucket, brand.brand_id), starts, upto)
            for n in behind:
                start = known[n].upto.positions[bucket]
                more[n][bucket] = sums[start].get(senders[n].channel, NOTHING_OWED)
        known = [one.extended(new, end) for one, new in zip(known, more, strict=True)]
        self._known |= {s.sender_id: one for s, one in zip(senders, known, strict=True)}
        return [one.total for one in known]

    def _known_of(self, sender: Sender, end: Cursor) -> _Known:
        after = sender.known(end.epoch) or Cursor.start(end.epoch, end.brand_id)
        known = self._known.get(sender.sender_id)
        return known.beyond(after) if known else _Known.nothing(after)


async def first_due(
    tx: Tx, brand: AppliedBrand, sender: Sender, owed: Owed
) -> tuple[UUID, int, int] | None:
    """Find the opt-out that is a sender's clock: its id, bucket and position.

    That is the first to fall due of all that it owes; None for a sender that owes nothing. It is
    looked for anew, for a case that opens: not for what is asked often.
    """
    if not owed.count:
        return None
    end = await head(tx, brand)
    after = sender.known(end.epoch) or Cursor.start(end.epoch, brand.brand_id)
    due: dict[int, datetime] = {}
    for bucket in after.behind(end):
        start, upto = after.positions[bucket], end.positions[bucket]
        sums = await tallies.from_each(tx, (bucket, brand.brand_id), [start], upto)
        part = sums[start].get(sender.channel, NOTHING_OWED)
        if part.deadline_at:
            due[bucket] = part.deadline_at
    if not due:
        return None
    deadline_at, bucket = min((at, bucket) for bucket, at in due.items())
    row = await queries.first_due(
        tx.conn,
        bucket=bucket,
        brand_id=brand.brand_id,
        after=after.positions[bucket],
        upto=end.positions[bucket],
        channel=sender.channel,
        deadline_at=deadline_at,
    )
    return (row.event_id, bucket, row.position) if row else None
