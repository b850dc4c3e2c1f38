"""Deliveries: notices on their way to endpoints, at least once each, until one way or the other.

A notice is put on its way in the transaction of what it tells of. One process at a time has it in
hand, for as long as its claim lasts; what came of an attempt is written down in a transaction of
its own, and nothing is sent inside one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4

from prefsvc import endpoints, retries
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.endpoints import Endpoint
from prefsvc.settings import Settings

DeliveryState = Literal["pending", "delivered", "failed"]
Outcome = Literal[
    "delivered",
    "gone",
    "rejected",
    "refused",
    "redirected",
    "timed_out",
    "not_connected",
    "forbidden_address",
    "not_understood",
    "not_signed",
    "not_made",
    "lapsed",
]

DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = ("pending", "delivered", "failed")
GONE_WHY: Final = "It answered 410: it wants no more."
FINAL: Final[dict[Outcome, str]] = {
    "gone": GONE_WHY,
    "rejected": "The mail server rejected it for good.",
    "lapsed": "There was nothing to tell any more.",
}
"""What no later attempt would mend, and why the delivery failed with it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told; never with an address in it."""

    type: str
    occurred_at: datetime
    data: Json


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way to one endpoint, in our hand until the claim ends."""

    delivery_id: UUID
    """The `webhook-id`, the same in every attempt."""
    notice: Notice
    attempt_count: int
    replayed_after: int
    claimed_until: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending once: the HTTP status or SMTP code where there was an answer."""

    outcome: Outcome
    status: int | None = None
    retry_after_seconds: float | None = None
    """How long the receiver asked us to wait."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending: when, how long it took, and what came of it."""

    attempted_at: datetime
    took_ms: int
    answer: Answer


async def enqueue(tx: Tx, to: Sequence[Endpoint], notice: Notice) -> list[UUID]:
    """Put a notice on its way to each of these endpoints; return the deliveries' ids.

    It goes out soon after the commit: at once if `Service.enqueued` is set then.
    """
    ids = [uuid4() for _ in to]
    await queries.add_deliveries(
        tx.conn,
        rows=[
            queries.AddDeliveriesIn(
                delivery_id=delivery_id,
                endpoint_id=endpoint.endpoint_id,
                type=notice.type,
                occurred_at=notice.occurred_at,
                data=notice.data,
                state="pending",
                attempt_count=0,
                created_at=tx.now,
                next_attempt_at=tx.now,
                replayed_after=0,
            )
            for delivery_id, endpoint in zip(ids, to, strict=True)
        ],
    )
    return ids


async def pending_count(tx: Tx, endpoint: Endpoint, *, at_most: int) -> int:
    """Count what is on its way to an endpoint, up to a number."""
    return await queries.pending_count(tx.conn, endpoint_id=endpoint.endpoint_id, at_most=at_most)


async def claim(tx: Tx, settings: Settings, endpoint: Endpoint, *, at_most: int) -> list[Delivery]:
    """Take some of what is due at an endpoint in hand, so that no other process sends it too."""
    until = tx.now + settings.delivery_claim
    rows = await queries.claim_deliveries(
        tx.conn, endpoint_id=endpoint.endpoint_id, now=tx.now, claimed_until=until, size=at_most
    )
    return [
        Delivery(
            row.delivery_id,
            Notice(row.type, row.occurred_at, row.data),
            row.attempt_count,
            row.replayed_after,
            until,
        )
        for row in rows
    ]


async def end(
    tx: Tx, settings: Settings, endpoint: Endpoint, delivery: Delivery, attempt: Attempt
) -> DeliveryState | None:
    """Write down what came of an attempt, and what follows; return the delivery's state.

    None where it is not ours any more: our claim ran out and another process has it, or it was
    removed.
    """
    attempts = delivery.attempt_count - delivery.replayed_after + 1
    wait = retries.wait_seconds(settings, attempts, attempt.answer.retry_after_seconds)
    state, why = _outcome(attempt.answer.outcome, attempts, can_go_on=wait is not None)
    is_gone = attempt.answer.outcome == "gone"
    if is_gone:
        # First of all, so that two attempts that end so at once wait for each other in one order.
        await endpoints.disable(tx, endpoint.endpoint_id, GONE_WHY)
    ended = await queries.end_attempt(
        tx.conn,
        delivery_id=delivery.delivery_id,
        claimed_until=delivery.claimed_until,
        state=state,
        next_attempt_at=retries.later(tx.now, wait) if state == "pending" else None,
        finished_at=None if state == "pending" else tx.now,
        failed_why=why,
    )
    if ended is None:
        return None
    await _keep(tx, delivery, attempt, ended.attempt_count)
    if is_gone:
        await endpoints.give_up(tx, endpoint.endpoint_id, GONE_WHY)
    return state


def _outcome(
    outcome: Outcome, attempts: int, *, can_go_on: bool
) -> tuple[DeliveryState, str | None]:
    if outcome == "delivered":
        return "delivered", None
    if outcome in FINAL:
        return "failed", FINAL[outcome]
    if can_go_on:
        return "pending", None
    return "failed", f"All {attempts} attempts failed; the outcome of the last was {outcome}."


async def _keep(tx: Tx, delivery: Delivery, attempt: Attempt, number: int) -> None:
    await queries.keep_attempt(
        tx.conn,
        delivery_id=delivery.delivery_id,
        attempt=number,
        attempted_at=attempt.attempted_at,
        took_ms=attempt.took_ms,
        status=attempt.answer.status,
        outcome=attempt.answer.outcome,
    )
