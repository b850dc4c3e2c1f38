"""Doubtful replies: a person decides whether one was a stop; one that nobody decides is a stop.

Where the brand's rules demand it, the doubt suppresses first and is asked about second (RULES S-13,
S-15). Whoever opens or decides a review first locks what its opt-out would be ordered by, so of two
decisions made at once one comes first and the other sees it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec.structs import replace

from prefsvc import opt_outs
from prefsvc.address import Address, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import ReviewDecided, UnknownReview
from prefsvc.evidence import Evidence, storable
from prefsvc.intent import Decision
from prefsvc.ledger import bucket_of_event
from prefsvc.ledger_row import canonical_json
from prefsvc.opt_outs import Act, Recorded
from prefsvc.recipients import Recipient, store_addresses
from prefsvc.suppression import UNPROVEN_SOURCES, Scope, is_unproven
from prefsvc.vault import Vault

Choice = Literal["stop", "dismiss"]
State = Literal["open", "stop", "dismissed"]

OURSELVES: Final = "prefsvc"
_BUCKET_BITS: Final = 0x3F
_STATE_AFTER: Final[dict[Choice, State]] = {"stop": "stop", "dismiss": "dismissed"}
_OF_A_CHANNEL: Final = Scope("channel")
_STATES: Final[dict[str, State]] = {"open": "open", "stop": "stop", "dismissed": "dismissed"}


@dataclass(frozen=True, slots=True)
class Doubt:
    """A reply that may mean stop: who wrote what, and how it was read.

    `message_id` names the message, so that a retry of it is no second doubt. `scope` is what a stop
    on its network stops; `received_at` when it came, by default now.
    """

    brand: AppliedBrand
    recipient: Recipient
    message_id: str
    reading: Decision
    evidence: Evidence
    scope: Scope = _OF_A_CHANNEL
    received_at: datetime | None = None
    is_hearsay: bool = False
    """Whether somebody else says so of them: then nothing is suppressed before it is decided."""

    @property
    def review_id(self) -> UUID:
        """Return the id of its review, which ends in its bucket and so finds its row."""
        what = [self.brand.brand_id, self.recipient.address_key.hex(), self.message_id]
        digest = hashlib.sha256(canonical_json(["review", *what])).digest()
        marked = UUID(bytes=digest[:16], version=5).int
        return UUID(int=marked & ~_BUCKET_BITS | self.recipient.bucket)


@dataclass(frozen=True, slots=True)
class Review:
    """A doubtful reply and what became of it.

    `evidence` has the person's words. Until it is decided, `decided_at` and `decided_by` are None.
    """

    review_id: UUID
    recipient: Recipient
    asked_at: datetime
    reading: dict[str, str | None]
    evidence: Evidence
    opt_out_id: UUID | None
    state: State
    decided_at: datetime | None
    decided_by: str | None
    note: str | None

    @property
    def stops(self) -> Scope:
        """Return what it stops if it is a stop; reviews once did not say: then, the channel."""
        return Scope.parse(self.reading.get("stops") or _OF_A_CHANNEL.kind, "")

    def due_at(self, age: timedelta) -> datetime | None:
        """Return when it is a stop by itself; None where it is decided."""
        return self.asked_at + age if self.state == "open" else None

    @property
    def consequence(self) -> str:
        """Say what follows from it as it stands; only the person lifts an opt-out."""
        if self.opt_out_id:
            return "The opt-out stands until the person says otherwise."
        if self.state == "open":
            return "Nothing is suppressed yet; if nobody decides, it is a stop."
        return "Nothing was suppressed."


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody decided, and what else they had to say."""

    choice: Choice
    by: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An opt-out that was recorded for a review."""

    act: Act
    recorded: Recorded


async def open_review(tx: Tx, vault: Vault, doubt: Doubt) -> Said | None:
    """Open the review of a doubtful reply, once; return the opt-out if it suppressed first."""
    await opt_outs.lock(tx, vault, doubt.brand, doubt.recipient)
    if await _find(tx, doubt.brand, doubt.review_id):
        return None
    said = await _suppress(tx, vault, doubt) if _suppresses(doubt) else None
    await store_addresses(tx, [doubt.recipient])
    await queries.open_review(
        tx.conn,
        bucket=doubt.recipient.bucket,
        review_id=doubt.review_id,
        brand_id=doubt.brand.brand_id,
        address_key=doubt.recipient.address_key,
        channel=doubt.recipient.channel,
        asked_at=doubt.received_at or tx.now,
        decision=_reading(doubt),
        evidence=storable(doubt.evidence),
        opt_out_id=said.recorded.event_id if said else None,
    )
    return said


def _suppresses(doubt: Doubt) -> bool:
    return (
        not doubt.is_hearsay and doubt.brand.brand.doubtful(doubt.recipient.country) == "suppress"
    )


async def _suppress(tx: Tx, vault: Vault, doubt: Doubt) -> Said:
    evidence = doubt.evidence | _reading(doubt)
    act = _act(doubt.brand, doubt.recipient, doubt.review_id, doubt.scope, evidence)
    return await _record(tx, vault, replace(act, received_at=doubt.received_at))


def _act(
    brand: AppliedBrand,
    recipient: Recipient,
    review_id: UUID,
    scope: Scope,
    evidence: Evidence,
) -> Act:
    return Act(
        brand,
        recipient,
        scope,
        _source(recipient, evidence),
        evidence | {"intent": "ask", "inferred": True, "review_id": str(review_id)},
        idempotency_key=f"review:{review_id}",
    )


def _source(recipient: Recipient, evidence: Evidence) -> str:
    """Return the source of a stop; one by mail is proven by who wrote it, or by who decided so."""
    if recipient.channel != "email":
        return "sms_reply"
    decided_by = evidence.get("decided", {}).get("by", OURSELVES)
    is_proven = evidence.get("authenticated") or decided_by != OURSELVES
    return "mail_reply" if is_proven else UNPROVEN_SOURCES["mail_reply"]


async def _record(tx: Tx, vault: Vault, act: Act) -> Said:
    [recorded] = await opt_outs.record(tx, vault, [act])
    return Said(act, recorded)


def _reading(doubt: Doubt) -> dict[str, str | None]:
    read = doubt.reading
    return {
        "rule": read.rule,
        "language": read.language,
        "scope": read.scope,
        "stops": doubt.scope.kind,
    }


async def decide(
    tx: Tx, vault: Vault, brand: AppliedBrand, review_id: UUID, answer: Answer
) -> tuple[Review, Said | None]:
    """Decide a review; return it with the opt-out, if this recorded one.

    Once: the same decision again changes nothing, another is refused.
    """
    asked = await find(tx, brand, review_id)
    await opt_outs.lock(tx, vault, brand, asked.recipient)
    review = await find(tx, brand, review_id)
    if review.state == _STATE_AFTER[answer.choice]:
        return review, None
    if review.state != "open":
        raise ReviewDecided
    said = await _confirm(tx, vault, brand, review, answer) if answer.choice == "stop" else None
    await queries.decide_review(
        tx.conn,
        bucket=review.recipient.bucket,
        review_id=review_id,
        state=_STATE_AFTER[answer.choice],
        opt_out_id=review.opt_out_id or (said.recorded.event_id if said else None),
        now=tx.now,
        decided_by=answer.by,
        note=answer.note,
    )
    return await find(tx, brand, review_id), said


async def _confirm(
    tx: Tx, vault: Vault, brand: AppliedBrand, review: Review, answer: Answer
) -> Said | None:
    """Record the stop; where it suppressed first, that somebody says it was one."""
    evidence = review.evidence | review.reading | {"decided": asdict(answer)}
    act = _act(brand, review.recipient, review.review_id, review.stops, evidence)
    if review.opt_out_id is not None:
        # What is found to be forged is taken back, but not what somebody has looked at (E-34).
        if review.evidence.get("authenticated") is not False or is_unproven(act.source):
            return None
        act = replace(act, idempotency_key=f"{act.idempotency_key}:decided")
    # The deadline runs from the person's words, not from our decision.
    return await _record(tx, vault, replace(act, received_at=review.asked_at))


async def find(tx: Tx, brand: AppliedBrand, review_id: UUID) -> Review:
    """Return a review of the brand, or refuse."""
    if review := await _find(tx, brand, review_id):
        return review
    raise UnknownReview


async def _find(tx: Tx, brand: AppliedBrand, review_id: UUID) -> Review | None:
    row = await queries.review_by_id(
        tx.conn,
        bucket=bucket_of_event(review_id),
        review_id=review_id,
        brand_id=brand.brand_id,
    )
    return _review(row) if row else None


async def page(
    tx: Tx,
    brand: AppliedBrand,
    *,
    state: State | None = None,
    after: Review | None = None,
    size: int,
) -> list[Review]:
    """Read reviews, the one that came first at the top, after one that was read before."""
    rows = await queries.review_page(
        tx.conn,
        brand_id=brand.brand_id,
        state=state,
        after=after.asked_at if after else None,
        after_id=after.review_id if after else None,
        size=size,
    )
    return [_review(row) for row in rows]


async def unanswered(
    tx: Tx, *, before: datetime, after: queries.UnansweredReviewsRow | None, size: int
) -> Sequence[queries.UnansweredReviewsRow]:
    """Find open reviews of messages that came before a moment, after one that was read before."""
    return await queries.unanswered_reviews(
        tx.conn,
        before=before,
        after=after.asked_at if after else None,
        after_id=after.review_id if after else None,
        size=size,
    )


def _review(row: queries.ReviewByIdRow | queries.ReviewPageRow) -> Review:
    channel = parse_channel(row.channel)
    address = Address(channel, row.canonical, row.canonical) if row.canonical else None
    return Review(
        row.review_id,
        Recipient(row.address_key, channel, address),
        row.asked_at,
        row.decision,
        row.evidence,
        row.opt_out_id,
        _STATES[row.state],
        row.decided_at,
        row.decided_by,
        row.note,
    )
