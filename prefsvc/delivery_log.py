"""The delivery log: what became of each notice, and sending it off again by hand."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.deliveries import DeliveryState
from prefsvc.endpoints import Endpoint
from prefsvc.errors import EndpointDisabled, UnknownDelivery


@dataclass(frozen=True, slots=True)
class Logged:
    """A delivery with its attempts, in order."""

    delivery: queries.DeliveriesAfterRow
    attempts: Sequence[queries.AttemptsRow]


async def page(
    tx: Tx, endpoint: Endpoint, *, state: DeliveryState | None, after: UUID | None, size: int
) -> list[Logged]:
    """Return an endpoint's deliveries, the newest first, on from one that was read before."""
    rows = await queries.deliveries_after(
        tx.conn,
        endpoint_id=endpoint.endpoint_id,
        state=state,
        created_at=await _created_at(tx, endpoint, after) if after else None,
        delivery_id=after,
        size=size,
    )
    attempts: dict[UUID, list[queries.AttemptsRow]] = defaultdict(list)
    for one in await queries.attempts(tx.conn, delivery_ids=[row.delivery_id for row in rows]):
        attempts[one.delivery_id].append(one)
    return [Logged(row, attempts[row.delivery_id]) for row in rows]


async def _created_at(tx: Tx, endpoint: Endpoint, delivery_id: UUID) -> datetime:
    row = await queries.delivery_created_at(
        tx.conn, endpoint_id=endpoint.endpoint_id, delivery_id=delivery_id
    )
    if row is None:
        raise UnknownDelivery
    return row.created_at


async def replay(tx: Tx, endpoint: Endpoint, delivery_id: UUID) -> None:
    """Send a delivery off again under the same id, whatever became of it."""
    _check_enabled(endpoint)
    replayed = await queries.replay_delivery(
        tx.conn, endpoint_id=endpoint.endpoint_id, delivery_id=delivery_id, now=tx.now
    )
    if not replayed:
        raise UnknownDelivery


async def replay_failed(tx: Tx, endpoint: Endpoint, since: datetime, *, at_most: int) -> int:
    """Send off again what failed since a moment, the oldest first; return how many."""
    _check_enabled(endpoint)
    return await queries.replay_failed(
        tx.conn, endpoint_id=endpoint.endpoint_id, since=since, now=tx.now, size=at_most
    )


def _check_enabled(endpoint: Endpoint) -> None:
    if endpoint.disabled_at is not None:
        raise EndpointDisabled
