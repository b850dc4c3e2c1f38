"""Asking the register: may this be sent, and to whom may nothing be sent."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefsvc import honour
from prefsvc.address import Channel, by_bucket
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor, from_heads
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import UnknownTopic
from prefsvc.installation import feed_epoch
from prefsvc.suppression import (
    MessageClass,
    Purpose,
    Question,
    Scope,
    State,
    obstacle,
    parse_reason,
)


@dataclass(frozen=True, slots=True)
class Lease:
    """Since when a list is complete, and until when it may be used (DESIGN 7)."""

    as_of: datetime
    valid_until: datetime


def lease(brand: AppliedBrand, channel: Channel, as_of: datetime) -> Lease:
    """Return the lease of a list that is complete at this moment.

    It ends at the earliest moment by which an opt-out that the list does not know could fall due.
    """
    window: timedelta = honour.shortest_window(
        honour.rules_of(brand.brand.rules), brand.brand.promise(channel), channel=channel
    )
    return Lease(as_of, as_of + window)


def question(
    brand: AppliedBrand,
    channel: Channel,
    *,
    topic: str | None,
    message_class: MessageClass | None,
    purpose: Purpose,
) -> Question:
    """Understand what a sender is about to do; a topic that the brand lacks is refused.

    Without a message class the topic's own counts, and without either it is marketing: what is not
    known to be exempt is not sent.
    """
    if topic is None:
        return Question("", message_class or "marketing", purpose)
    known = brand.brand.topic(topic)
    if channel not in known.channels:
        raise UnknownTopic
    return Question(topic, message_class or known.message_class, purpose)


async def check(
    tx: Tx, brand: AppliedBrand, channel: Channel, keys: Sequence[bytes], asked: Question
) -> dict[bytes, State]:
    """Return, for each address key that nothing may be sent to on a channel, what forbids it."""
    states = await _active(tx, brand, channel, keys)
    found = {key: obstacle(states[key], asked) for key in states}
    return {key: state for key, state in found.items() if state}


async def _active(
    tx: Tx, brand: AppliedBrand, channel: Channel, keys: Iterable[bytes]
) -> dict[bytes, list[State]]:
    states: dict[bytes, list[State]] = defaultdict(list)
    # Bucket by bucket: each statement reads one shard, and only as many index entries as addresses.
    for bucket, wanted in by_bucket(keys).items():
        rows = await queries.active_suppressions(
            tx.conn,
            bucket=bucket,
            brand_id=brand.brand_id,
            address_keys=wanted,
            channel=channel,
        )
        for row in rows:
            states[row.address_key].append(_active_state(row))
    return states


def _active_state(row: queries.ActiveSuppressionsRow) -> State:
    return State(
        Scope.parse(row.scope, row.topic),
        parse_reason(row.reason),
        active=True,
        said_at=row.said_at,
        deadline_at=row.deadline_at,
        event_id=row.event_id,
    )


async def head(tx: Tx, brand: AppliedBrand) -> Cursor:
    """Return the cursor at the end of the brand's feed."""
    rows = await queries.brand_heads(tx.conn, brand_id=brand.brand_id)
    epoch = await feed_epoch(tx)
    return from_heads(epoch, brand.brand_id, [(row.bucket, row.position) for row in rows])
