"""Violations: keeping each once, with what its sender could have known, in a case."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from uuid import UUID, uuid4

from prefsvc import alarms, cases
from prefsvc.address import bucket_of
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.honour import Moments
from prefsvc.installation import feed_epoch
from prefsvc.pace import Pace
from prefsvc.reckonings import Reckonings
from prefsvc.sender import Sender
from prefsvc.suppression import State
from prefsvc.verdict import History, Send, knew

_BUCKET_BITS = 0x3F
_VERSION_8 = 0x8 << 76  # RFC 9562: made from whatever its maker chose
_VERSION_AND_VARIANT = 0xF << 76 | 0x3 << 62
_VARIANT = 0x2 << 62


@dataclass(frozen=True, slots=True)
class Violation:
    """A message that was sent after a deadline: the opt-out's state, and all its address said."""

    address_key: bytes
    send: Send
    mailing: str | None
    state: State
    history: History

    @property
    def bucket(self) -> int:
        """Return the bucket of its address."""
        return bucket_of(self.address_key)

    def id_for(self, sender: Sender) -> UUID:
        """Make its id from what was sent, when, to whom: reported again, it is the same one.

        It ends in its bucket, as the ids of the ledger do.
        """
        what = (
            sender.sender_id.hex,
            self.address_key.hex(),
            self.send.sent_at.astimezone(UTC).isoformat(),
            self.send.question.topic,
            self.send.question.message_class,
            self.mailing or "",
        )
        number = int.from_bytes(hashlib.sha256("\0".join(what).encode()).digest()[:16])
        marked = number & ~_VERSION_AND_VARIANT | _VERSION_8 | _VARIANT
        return UUID(int=marked & ~_BUCKET_BITS | self.bucket)


@dataclass(frozen=True, slots=True)
class Report:
    """A report that is being read, and whose it is."""

    brand: AppliedBrand
    sender: Sender
    report_id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Known:
    """What a sender could have known when it sent; None where nothing says so."""

    acknowledged: queries.AcknowledgementAtRow | None
    had_heard: bool
    list_had_it: bool | None


async def keep(tx: Tx, report: Report, found: Sequence[Violation]) -> list[UUID]:
    """Keep these violations unless they are known; return the case of each.

    New ones open a case for their mailing, or join the one that is open.
    """
    # One report of a sender at a time, so that the same violation in two of them is counted once.
    await queries.lock_sender(tx.conn, sender_id=report.sender.sender_id)
    ids = [one.id_for(report.sender) for one in found]
    case_of = await _known(tx, ids)
    new = {key: one for key, one in zip(ids, found, strict=True) if key not in case_of}
    if new:
        known = await _knowledge(tx, report.sender, new)
        case_of |= await _open_cases(tx, report, new, known)
        rows = [
            _row(tx, report, key, one, known=known[key], case_id=case_of[key])
            for key, one in new.items()
        ]
        await queries.keep_violations(tx.conn, rows=rows)
    return [case_of[key] for key in ids]


async def _known(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, UUID]:
    by_bucket: dict[int, set[UUID]] = defaultdict(set)
    for key in ids:
        by_bucket[key.int & _BUCKET_BITS].add(key)
    known: dict[UUID, UUID] = {}
    for bucket, wanted in sorted(by_bucket.items()):
        rows = await queries.known_violations(tx.conn, bucket=bucket, violation_ids=sorted(wanted))
        known |= {row.violation_id: row.case_id for row in rows}
    return known


async def _knowledge(tx: Tx, sender: Sender, found: Mapping[UUID, Violation]) -> dict[UUID, Known]:
    """Say for each what its sender had acknowledged when it sent, and what its list held.

    From the newest back, so that the acknowledgement read for one serves all that follow it.
    """
    epoch = await feed_epoch(tx)
    known, pace = {}, Pace()
    newest_first = sorted(found.items(), key=lambda item: item[1].send.sent_at, reverse=True)
    last = await _acknowledged(tx, sender, newest_first[0][1])
    for key, one in newest_first:
        if last and last.acknowledged_at > one.send.sent_at:
            last = await _acknowledged(tx, sender, one)
        # What was acknowledged in another history of the feed proves nothing about this one.
        position = last.positions[one.bucket] if last and last.feed_epoch == epoch else 0
        known[key] = Known(last, knew(one.history, one.send, position), _list_had_it(one))
        await pace.after(2 * len(one.history.said))
    return known


async def _acknowledged(
    tx: Tx, sender: Sender, one: Violation
) -> queries.AcknowledgementAtRow | None:
    return await queries.acknowledgement_at(
        tx.conn, sender_id=sender.sender_id, at=one.send.sent_at
    )


def _list_had_it(one: Violation) -> bool | None:
    cut = one.send.cut
    if cut is None or cut.position is None:
        return None
    return knew(one.history, one.send, cut.position)


async def _open_cases(
    tx: Tx,
    report: Report,
    found: Mapping[UUID, Violation],
    known: Mapping[UUID, Known],
) -> dict[UUID, UUID]:
    by_mailing: dict[str | None, list[UUID]] = defaultdict(list)
    for key, one in found.items():
        by_mailing[one.mailing].append(key)
    case_of: dict[UUID, UUID] = {}
    for mailing, ids in by_mailing.items():
        first = min(ids, key=lambda key: found[key].send.sent_at)
        evidence = await _evidence(tx, report.brand, found[first], known[first])
        opened = await cases.open_violation(tx, report.sender, mailing, evidence, count=len(ids))
        if opened.is_new:
            count = opened.violation_count
            await alarms.raise_violation(
                tx, report.brand, report.sender, opened.case_id, violation_count=count
            )
        case_of |= dict.fromkeys(ids, opened.case_id)
    return case_of


async def _evidence(tx: Tx, brand: AppliedBrand, one: Violation, known: Known) -> Json:
    """Write down what proves the first violation of a case: ids and moments, never the address."""
    event = await queries.event(
        tx.conn, bucket=one.bucket, event_id=one.state.event_id, brand_id=brand.brand_id
    )
    return {
        "sent_at": one.send.sent_at,
        "opt_out_id": one.state.event_id,
        "deadline_at": one.state.deadline_at,
        "deadline": await _deadline(tx, event) if event else None,
        "acknowledged_at": known.acknowledged.acknowledged_at if known.acknowledged else None,
        "had_heard": known.had_heard,
        "list_had_it": known.list_had_it,
    }


async def _deadline(tx: Tx, event: queries.EventRow) -> Json:
    moments = Moments(
        sent_at=event.sent_at, received_at=event.received_at, recorded_at=event.recorded_at
    )
    return await Reckonings(tx).document(event.deadline, moments)


def _row(
    tx: Tx, report: Report, violation_id: UUID, one: Violation, *, known: Known, case_id: UUID
) -> queries.KeepViolationsIn:
    if one.state.deadline_at is None:
        raise LookupError("a violation without a deadline")
    return queries.KeepViolationsIn(
        bucket=one.bucket,
        violation_id=violation_id,
        case_id=case_id,
        report_id=report.report_id,
        brand_id=report.brand.brand_id,
        sender_id=report.sender.sender_id,
        address_key=one.address_key,
        sent_at=one.send.sent_at,
        topic=one.send.question.topic or None,
        message_class=one.send.question.message_class,
        mailing=one.mailing,
        opt_out_id=one.state.event_id,
        deadline_at=one.state.deadline_at,
        acknowledged_at=known.acknowledged.acknowledged_at if known.acknowledged else None,
        had_heard=known.had_heard,
        list_had_it=known.list_had_it,
        found_at=tx.now,
    )
