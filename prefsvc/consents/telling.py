"""One request: what it tells, claimed so that no other process tells it too, and what came of it.

A row names a number at a target; what is told of it is read here, when it is told. A row that
changes while it is under way has another correlation id by the time the answer is here, and is told
again. When a process dies in between, its claim runs out and another tells the same again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from prefsvc import retries
from prefsvc.brands import AppliedBrand
from prefsvc.consents import reading, words
from prefsvc.consents.answers import Answer, Answered, Failed, Unanswered
from prefsvc.consents.pace import ITEMS_MAX, pause_seconds
from prefsvc.consents.reading import Dropped, Told
from prefsvc.consents.words import Status
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.installation import feed_epoch
from prefsvc.settings import Settings


@dataclass(frozen=True, slots=True)
class Item:
    """Something to tell; never printed, for a number is in it."""

    correlation_id: UUID
    status: Status
    attempt_count: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request of an account tells, in our hand until the claim ends."""

    account: str
    claim_id: UUID
    items: tuple[Item, ...]
    dropped: tuple[Dropped, ...]
    """Why rows were dropped: there was nothing to tell of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request: how many of its items were told, put off, and given up."""

    told: tuple[Item, ...] = ()
    put_off_count: int = 0
    failed_count: int = 0


async def claim(
    tx: Tx, settings: Settings, account: str, brands: Sequence[AppliedBrand]
) -> Batch | None:
    """Claim what the next request of an account tells, fresh first, then by deadline.

    Nothing where there is nothing to tell, or no request may go out yet: the account's row keeps
    the pace of all processes together. What need not be told is dropped on the way.
    """
    claim_id = uuid4()
    rows = await _claimed(tx, settings, account, brands, claim_id)
    if not rows:
        return None
    read = await reading.read(tx, rows)
    items = [_item(row, one) for row, one in read if isinstance(one, Told)]
    dropped = [(row, one) for row, one in read if not isinstance(one, Told)]
    await _forget(tx, [row.correlation_id for row, _ in dropped])
    if items:
        next_at = tx.now + timedelta(seconds=settings.twilio_request_seconds)
        await queries.take_twilio_turn(tx.conn, account=account, next_request_at=next_at)
    return Batch(account, claim_id, tuple(items), tuple(why for _, why in dropped))


async def _claimed(
    tx: Tx, settings: Settings, account: str, brands: Sequence[AppliedBrand], claim_id: UUID
) -> list[queries.ClaimConsentsRow]:
    brand_ids = [brand.brand_id for brand in brands]
    targets = [name for brand in brands for name in brand.brand.twilio_targets]
    epoch = await feed_epoch(tx)
    following = await queries.next_consent(
        tx.conn, brand_ids=brand_ids, targets=targets, feed_epoch=epoch, now=tx.now
    )
    if following is None or not await _has_turn(tx, account):
        return []
    return await queries.claim_consents(
        tx.conn,
        claim_id=claim_id,
        claimed_until=tx.now + settings.twilio_claim,
        brand_ids=brand_ids,
        targets=targets,
        feed_epoch=epoch,
        is_alone=following.is_alone,
        now=tx.now,
        size=1 if following.is_alone else ITEMS_MAX,
    )


async def _has_turn(tx: Tx, account: str) -> bool:
    """Lock an account's pace if a request may go out now, and nobody else has it in hand."""
    if await queries.lock_twilio_turn(tx.conn, account=account, now=tx.now):
        return True
    await queries.begin_twilio_account(tx.conn, account=account, now=tx.now)
    return await queries.lock_twilio_turn(tx.conn, account=account, now=tx.now) is not None


def _item(row: queries.ClaimConsentsRow, told: Told) -> Item:
    return Item(
        row.correlation_id,
        told.word.status,
        row.attempt_count,
        words.item(row.correlation_id, told.number, row.target, told.word),
    )


async def let_go(tx: Tx, batch: Batch) -> None:
    """Put a request's items back as they were: it never reached the account."""
    await queries.release_consents(tx.conn, claim_id=batch.claim_id)


async def end(tx: Tx, settings: Settings, batch: Batch, answer: Answer) -> Outcome:
    """Write down what came of a request, and what follows.

    What was told is done with, unless there is something new to tell of it. What was not taken is
    put off by itself, and has failed for good where no later attempt would help.
    """
    await queries.lock_claimed_consents(tx.conn, claim_id=batch.claim_id)
    if isinstance(answer, Unanswered):
        outcome = await _came_to_nothing(tx, settings, batch, answer)
    else:
        outcome = await _answered(tx, settings, batch, answer)
    await queries.release_consents(tx.conn, claim_id=batch.claim_id)
    return outcome


async def _answered(tx: Tx, settings: Settings, batch: Batch, answer: Answered) -> Outcome:
    results = [(item, answer.result(item.correlation_id.hex)) for item in batch.items]
    told = [item for item, failed in results if failed is None]
    await _forget(tx, [item.correlation_id for item in told])
    states = [
        await _put_off(tx, settings, batch, item, failed)
        for item, failed in results
        if failed is not None
    ]
    await queries.note_twilio_answer(tx.conn, account=batch.account, now=tx.now)
    return Outcome(tuple(told), states.count("pending"), states.count("failed"))


async def _came_to_nothing(
    tx: Tx, settings: Settings, batch: Batch, failure: Unanswered
) -> Outcome:
    """Put everything back, at no item's charge, and let the account rest.

    Where the request itself was refused, one of its items may be the cause: each goes alone from
    then on, and the one that is refused alone is put off.
    """
    known = await queries.lock_twilio_account(tx.conn, account=batch.account)
    pause = pause_seconds(failure, known.failure_count, settings.retry_after_seconds_max)
    await queries.note_twilio_failure(
        tx.conn,
        account=batch.account,
        now=tx.now,
        how=failure.how,
        next_request_at=retries.later(tx.now, pause),
    )
    if failure.how != "refused":
        return Outcome()
    if len(batch.items) > 1:
        await queries.part_consents(tx.conn, claim_id=batch.claim_id)
        return Outcome()
    state = await _put_off(tx, settings, batch, batch.items[0], Failed("refused alone"))
    return Outcome((), int(state == "pending"), int(state == "failed"))


async def _put_off(tx: Tx, settings: Settings, batch: Batch, item: Item, failed: Failed) -> str:
    """Have an item that was not taken told again later, or give it up; return its state."""
    wait = retries.wait_seconds(settings, item.attempt_count + 1, None)
    state = "failed" if failed.is_final or wait is None else "pending"
    await queries.put_off_consent(
        tx.conn,
        correlation_id=item.correlation_id,
        claim_id=batch.claim_id,
        state=state,
        next_attempt_at=retries.later(tx.now, wait),
        error=failed.error,
    )
    return state


async def _forget(tx: Tx, correlation_ids: Sequence[UUID]) -> None:
    if correlation_ids:
        await queries.forget_consents(tx.conn, correlation_ids=list(correlation_ids))
