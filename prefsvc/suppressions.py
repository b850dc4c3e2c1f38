"""Asking the register: may this be sent, and to whom may nothing be sent."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prefsvc import honour
from prefsvc.address import Channel, bucket_of
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor, from_heads
from prefsvc.db import queries
from prefsvc.db.batch import LARGEST_CHUNK, filled
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

States = dict[bytes, list[State]]
"""What suppresses whom, by address keys."""
AT_ONCE_MAX = LARGEST_CHUNK
"""The most addresses that one statement looks for."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Since when a list is complete, and until when it may be used (DESIGN 7)."""

    as_of: datetime
    valid_until: datetime


def lease(brand: AppliedBrand, channel: Channel, as_of: datetime) -> Lease:
    """Return the lease of a list that is complete at this moment.

    It ends at the earliest moment by which an opt-out that the list does not know could fall due.
    """
    window = brand.shortest_windows.get(channel)
    if window is None:
        window = brand.shortest_windows[channel] = honour.shortest_window(
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


def obstacles(states: States, keys: Iterable[bytes], asked: Question) -> dict[bytes, State]:
    """Return, for each of these address keys that nothing may be sent to, what forbids it."""
    found = ((key, obstacle(states[key], asked)) for key in states.keys() & keys)
    return {key: state for key, state in found if state}


async def active(tx: Tx, brand_id: int, channel: Channel, keys: Sequence[bytes]) -> States:
    """Read in one statement what suppresses these addresses now; at most AT_ONCE_MAX of them."""
    states: States = defaultdict(list)
    for row in await queries.active_suppressions(
        tx.conn, _filled(keys), brand_id=brand_id, channel=channel
    ):
        states[row.address_key].append(_active_state(row))
    return states


async def active_among(
    tx: Tx, brand_id: int, channel: Channel, every: Iterable[Sequence[bytes]]
) -> States:
    """Read what suppresses many addresses; the next keys are made while the last are looked for."""
    states: States = {}
    looking: asyncio.Task[States] | None = None
    try:
        for keys in every:
            if looking:
                states |= await looking
            looking = asyncio.create_task(active(tx, brand_id, channel, keys))
            await asyncio.sleep(0)  # lets it send its statement, and others have their turn
        return states | (await looking if looking else {})
    finally:
        if looking:
            looking.cancel()
            await asyncio.wait([looking])


def _filled(keys: Sequence[bytes]) -> list[queries.ActiveSuppressionsIn]:
    """Return the keys as rows, filled up to a size of batch by the last one."""
    rows = [queries.ActiveSuppressionsIn(bucket_of(key), key) for key in keys]
    return rows + rows[-1:] * (filled(len(rows)) - len(rows))


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
