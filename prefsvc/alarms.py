"""Alarms: once for each step of a sender's clock, out by every endpoint that asked for them.

A sender's *spell* runs from the first step that passes until none is passed any more, or until it
was overdue and is so no longer; within it no step is raised twice. The alarm, its case and its
notices commit together, under a lock of what is known of the spell: any number of processes raise
one alarm, and a crash raises all of it or none. A spell that follows a recovery because a milder
step is still passed was told with it: while nothing else is raised in it, it ends in silence.

A flood of removals by mail is about no sender (prefsvc/floods.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from prefsvc import cases, deliveries, endpoints, obligations, senders
from prefsvc.alarm_words import ALARM_TYPES, AlarmStep, detail_of
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.deliveries import Notice
from prefsvc.errors import UnknownAlarm
from prefsvc.honour import Moments
from prefsvc.installation import feed_epoch
from prefsvc.obligations import Obligations
from prefsvc.reckonings import Reckonings
from prefsvc.sender import Sender
from prefsvc.senders import Standing
from prefsvc.standing import Step


@dataclass(frozen=True, slots=True)
class Watch:
    """Which steps of a sender's clock were alarmed for; no spell while it is in order."""

    spell_id: UUID | None = None
    steps: frozenset[str] = frozenset()
    feed_epoch: UUID | None = None

    def told_in(self, epoch: UUID) -> "Watch":
        """Return what was told in this history: after a restore every clock begins anew."""
        return self if self.feed_epoch == epoch else IN_ORDER

    def new(self, standing: Standing, now: datetime) -> tuple[Step, ...]:
        """Return the steps that have passed and were not alarmed for, the gravest last."""
        return tuple(step for step in standing.owed.passed(now) if step not in self.steps)

    def is_over(self, standing: Standing, now: datetime) -> bool:
        """Say whether the spell has ended.

        It ends as soon as clearance is back, though some step may still be passed: when the sender
        is overdue again, that must be told, however seldom it is wholly in order. Not for a sender
        that has acknowledged nothing since the register was restored: its clock began anew, but it
        has caught up with nothing.
        """
        if self.spell_id is None or standing.state == "never_heard":
            return False
        passed = standing.owed.passed(now)
        return not passed or ("overdue" in self.steps and "overdue" not in passed)


IN_ORDER: Final = Watch()


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as its notices told it; `details` is their data."""

    alarm_id: UUID
    raised_at: datetime
    details: Json


async def to_watch(tx: Tx, brand: AppliedBrand, standings: Sequence[Standing]) -> list[Standing]:
    """Return the senders that have passed a step, or ended a spell, unknown to any alarm."""
    rows = await queries.brand_watches(tx.conn, brand_id=brand.brand_id)
    known = {
        row.sender_id: Watch(row.spell_id, frozenset(row.steps), row.feed_epoch) for row in rows
    }
    epoch = await feed_epoch(tx)

    def calls(one: Standing) -> bool:
        watch = known.get(one.sender.sender_id, IN_ORDER)
        return bool(watch.told_in(epoch).new(one, tx.now)) or watch.is_over(one, tx.now)

    return [one for one in standings if calls(one)]


async def watch(tx: Tx, memo: Obligations, brand: AppliedBrand, sender: Sender) -> AlarmStep | None:
    """Raise what a sender has newly passed, the gravest for all, or its recovery.

    Returns the step that was raised. None where nothing is new, or another process has this sender
    in hand. No moment before the spell's last alarm counts: a process whose clock is behind that of
    the one which raised it must not find that the step has not passed.
    """
    await queries.begin_watch(tx.conn, sender_id=sender.sender_id)
    row = await queries.lock_watch(tx.conn, sender_id=sender.sender_id)
    if row is None:
        return None
    known = Watch(row.spell_id, frozenset(row.steps), row.feed_epoch)
    raised_at = await _last_raised(tx, sender, known)
    tx = replace(tx, now=max(tx.now, raised_at or tx.now))
    # Read under the lock: another process may have raised an alarm, or the sender caught up.
    fresh = await senders.find(tx, brand, sender.slug)
    standing = await senders.standing(tx, memo, brand, fresh)
    if known.is_over(standing, tx.now):
        return await _recover(tx, brand, standing, known.spell_id if raised_at else None)
    told = known.told_in(await feed_epoch(tx))
    if new := told.new(standing, tx.now):
        return await _raise_step(tx, brand, standing, told, new)
    return None


async def _last_raised(tx: Tx, sender: Sender, known: Watch) -> datetime | None:
    if known.spell_id is None:
        return None
    row = await queries.last_raised(tx.conn, sender_id=sender.sender_id, spell_id=known.spell_id)
    return row.raised_at


async def _raise_step(
    tx: Tx, brand: AppliedBrand, standing: Standing, known: Watch, new: tuple[Step, ...]
) -> AlarmStep | None:
    sender, gravest = standing.sender, new[-1]
    spell_id = known.spell_id or uuid4()
    steps = [*sorted(known.steps), *new]
    await _note(tx, sender, spell_id, steps)
    more = _standing_document(standing, tx.now)
    if gravest == "overdue":
        evidence = await _evidence(tx, brand, standing)
        more["case_id"] = await cases.open_overdue(tx, sender, evidence)
    return await _raise(tx, brand, sender, gravest, spell_id=spell_id, more=more)


async def _recover(
    tx: Tx, brand: AppliedBrand, standing: Standing, spell_id: UUID | None
) -> AlarmStep | None:
    """End the spell; in silence where no alarm was raised in it, so that none has an id."""
    sender = standing.sender
    # What is passed all the same was told: it begins the next spell, and is not told again.
    passed = standing.owed.passed(tx.now)
    await _note(tx, sender, uuid4() if passed else None, passed)
    if spell_id is None:
        return None
    await cases.recovered(tx, sender.sender_id)
    more = _standing_document(standing, tx.now)
    return await _raise(tx, brand, sender, "recovery", spell_id=spell_id, more=more)


async def _note(tx: Tx, sender: Sender, spell_id: UUID | None, steps: Sequence[str]) -> None:
    await queries.set_watch(
        tx.conn,
        sender_id=sender.sender_id,
        spell_id=spell_id,
        steps=list(steps),
        feed_epoch=await feed_epoch(tx),
    )


async def raise_violation(
    tx: Tx, brand: AppliedBrand, sender: Sender, case_id: UUID, *, violation_count: int
) -> None:
    """Raise the one alarm of a violation case, in the transaction that opens it."""
    more = {"case_id": case_id, "violation_count": violation_count}
    await _raise(tx, brand, sender, "violation", spell_id=case_id, more=more)


async def _raise(
    tx: Tx,
    brand: AppliedBrand,
    sender: Sender,
    step: AlarmStep,
    *,
    spell_id: UUID,
    more: dict[str, Json],
) -> AlarmStep | None:
    alarm_id = uuid4()
    details = _details(brand, sender, step, alarm_id) | more
    raised = await queries.raise_alarm(
        tx.conn,
        alarm_id=alarm_id,
        brand_id=brand.brand_id,
        sender_id=sender.sender_id,
        spell_id=spell_id,
        step=step,
        raised_at=tx.now,
        details=details,
    )
    if raised is None:
        return None
    listening = await endpoints.listening(tx, brand.brand_id, "alarm", sender.sender_id)
    await deliveries.enqueue(tx, listening, Notice(ALARM_TYPES[step], tx.now, details))
    return step


def _details(
    brand: AppliedBrand, sender: Sender, step: AlarmStep, alarm_id: UUID
) -> dict[str, Json]:
    return {
        "alarm_id": alarm_id,
        "brand": brand.slug,
        "sender": sender.slug,
        "channel": sender.channel,
        "step": step,
        "detail": detail_of(step),
        "acknowledged_at": sender.acknowledged_at,
    }


def _standing_document(standing: Standing, now: datetime) -> dict[str, Json]:
    owed = standing.owed
    return {
        "state": standing.state,
        "passed": owed.passed(now),
        "owed_count": owed.count,
        "next_target_at": owed.target_at,
        "next_deadline_at": owed.deadline_at,
    }


async def _evidence(tx: Tx, brand: AppliedBrand, standing: Standing) -> Json:
    """Return what is known at the moment: the opt-out that is the clock, and what was heard."""
    sender, owed = standing.sender, standing.owed
    evidence: dict[str, Json] = {
        "acknowledged_at": sender.acknowledged_at,
        "acknowledged_cursor": str(sender.acknowledged) if sender.acknowledged else None,
        "owed_count": owed.count,
        "deadline_at": owed.deadline_at,
    }
    first = await obligations.first_due(tx, brand, sender, owed)
    if first is None:
        return evidence
    event_id, bucket, position = first
    row = await queries.deadline_at_position(
        tx.conn, bucket=bucket, brand_id=brand.brand_id, position=position
    )
    moments = Moments(sent_at=row.sent_at, received_at=row.received_at, recorded_at=row.recorded_at)
    return evidence | {
        "opt_out_id": event_id,
        "bucket": bucket,
        "position": position,
        "received_at": row.received_at,
        "deadline_at": row.deadline_at,
        "deadline": await Reckonings(tx).document(row.deadline, moments),
    }


async def page(
    tx: Tx, brand: AppliedBrand, *, sender: Sender | None, after: UUID | None, size: int
) -> list[Alarm]:
    """Read a brand's alarms, the newest first, on from one that was read before."""
    since = None
    if after is not None:
        row = await queries.alarm_raised_at(tx.conn, brand_id=brand.brand_id, alarm_id=after)
        if row is None:
            raise UnknownAlarm
        since = row.raised_at
    rows = await queries.alarms_after(
        tx.conn,
        brand_id=brand.brand_id,
        sender_id=sender.sender_id if sender else None,
        raised_at=since,
        alarm_id=after,
        size=size,
    )
    return [Alarm(row.alarm_id, row.raised_at, row.details) for row in rows]
