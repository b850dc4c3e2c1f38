"""Change notices: telling endpoints of every change of a suppression, as it happens.

A notice in the queue names positions of the feed. What changed there is read when it is sent, so no
address lies in the queue, and none of an erased person goes out. Each endpoint has a place in the
feed; while it is slow, that place waits: the ledger itself is the queue.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prefsvc import deliveries, endpoints, feeds
from prefsvc.address import CHANNELS, Channel, parse_channel
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.deliveries import Notice
from prefsvc.endpoints import Endpoint
from prefsvc.feeds import Change, Span
from prefsvc.installation import feed_epoch
from prefsvc.suppressions import head
from prefsvc.vault import Vault

CHANGED: Final = "suppression.changed"
RESTARTED: Final = "feed.restarted"

# So that a body stays below 20 kB, which is what receivers of Standard Webhooks may expect.
CHANGES_MAX: Final = 50
CHANGES_WITH_ADDRESS_MAX: Final = 16
ADDRESS_OCTETS_MAX: Final = 320

_RESTARTED_DETAIL = (
    "The register was restored, so positions before this mean nothing any more: pull the "
    "suppressions again, apply them and acknowledge."
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many positions are read at once, and how many notices may wait for one endpoint."""

    positions_max: int
    backlog_max: int


@dataclass(frozen=True, slots=True)
class Portion:
    """What one notice tells of: the spans it covers, and the cursor at their end."""

    spans: tuple[Span, ...]
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class _Reader:
    """An endpoint whose notices are being written, and whose sender's it is, if it is one's."""

    endpoint: Endpoint
    told: Cursor
    sender: str | None
    channels: Sequence[Channel]

    @property
    def changes_max(self) -> int:
        return CHANGES_WITH_ADDRESS_MAX if self.endpoint.with_addresses else CHANGES_MAX


async def brands_told(tx: Tx) -> list[int]:
    """Return the numbers of the brands whose changes somebody wants to hear of."""
    return [row.brand_id for row in await queries.brands_told(tx.conn)]


async def behind(tx: Tx, brand: AppliedBrand) -> list[Endpoint]:
    """Return the brand's endpoints that were not told of all that is in its feed."""
    readers = await endpoints.listening(tx, brand.brand_id, "suppression")
    end = await head(tx, brand)
    return [one for one in readers if one.feed != end]


async def write(tx: Tx, brand: AppliedBrand, endpoint: Endpoint, limits: Limits) -> bool:
    """Write the next notices for an endpoint; say whether its place in the feed has moved.

    Not where another process has the endpoint in hand, or too many wait for it already.
    """
    reader = await _locked(tx, brand, endpoint.endpoint_id)
    if reader is None:
        return False
    most = limits.backlog_max
    if await deliveries.pending_count(tx, reader.endpoint, at_most=most) >= most:
        return False
    end = await head(tx, brand)
    if reader.told.epoch != end.epoch:
        written, told = [_restarted(tx, brand, reader)], end
    else:
        spans = feeds.spans_between(reader.told, end, limits.positions_max)
        written, told = await _changed(tx, brand, reader, spans)
    for notice in written:
        await deliveries.enqueue(tx, [reader.endpoint], notice)
    await queries.set_told(
        tx.conn,
        endpoint_id=endpoint.endpoint_id,
        feed_epoch=told.epoch,
        positions=list(told.positions),
    )
    return True


async def _locked(tx: Tx, brand: AppliedBrand, endpoint_id: UUID) -> _Reader | None:
    row = await queries.lock_told(tx.conn, endpoint_id=endpoint_id)
    if row is None:
        return None
    endpoint = await endpoints.find(tx, brand, endpoint_id)
    if endpoint.feed is None:
        raise LookupError("an endpoint that wants changes has no place in the feed")
    channels = (parse_channel(row.channel),) if row.channel else CHANNELS
    return _Reader(endpoint, endpoint.feed, row.sender, channels)


def _restarted(tx: Tx, brand: AppliedBrand, reader: _Reader) -> Notice:
    data = {"brand": brand.slug, "sender": reader.sender, "detail": _RESTARTED_DETAIL}
    return Notice(RESTARTED, tx.now, data)


async def _changed(
    tx: Tx, brand: AppliedBrand, reader: _Reader, spans: Sequence[Span]
) -> tuple[list[Notice], Cursor]:
    """Return the notices of the changes in these spans, and the cursor at their end."""
    changed = await _positions_by_channel(tx, brand, spans)
    written = [
        Notice(CHANGED, tx.now, _data(brand, reader, channel, portion))
        for channel in reader.channels
        for portion in portions(reader.told, spans, changed[channel], reader.changes_max)
    ]
    told = reader.told
    for span in spans:
        told = told.moved(span.bucket, span.last)
    return written, told


def _data(
    brand: AppliedBrand, reader: _Reader, channel: Channel, portion: Portion
) -> dict[str, Json]:
    return {
        "brand": brand.slug,
        "sender": reader.sender,
        "channel": channel,
        "covers": [
            {"bucket": span.bucket, "first": span.first, "last": span.last}
            for span in portion.spans
        ],
        "cursor": str(portion.cursor),
    }


async def _positions_by_channel(
    tx: Tx, brand: AppliedBrand, spans: Sequence[Span]
) -> Mapping[Channel, Mapping[int, list[int]]]:
    found: dict[Channel, dict[int, list[int]]] = {name: defaultdict(list) for name in CHANNELS}
    for span in spans:
        rows = await queries.changed_positions(
            tx.conn,
            bucket=span.bucket,
            brand_id=brand.brand_id,
            after=span.first - 1,
            upto=span.last,
        )
        for row in rows:
            found[parse_channel(row.channel)][span.bucket].append(row.position)
    return found


def portions(
    after: Cursor, spans: Sequence[Span], changed: Mapping[int, Sequence[int]], most: int
) -> list[Portion]:
    """Cut spans into portions of at most so many changes; without a change there is none.

    `changed` names the positions that hold a change, by bucket and in order. What is left over
    behind the last full portion, without a change in it, is left out.
    """
    found: list[Portion] = []
    portion: list[Span] = []
    count = 0
    for span in spans:
        first = span.first
        for position in changed.get(span.bucket, ()):
            count += 1
            if count == most:
                portion.append(Span(span.bucket, first, position))
                after = after.moved(span.bucket, position)
                found.append(Portion(tuple(portion), after))
                portion, count, first = [], 0, position + 1
        if first <= span.last:
            portion.append(Span(span.bucket, first, span.last))
            after = after.moved(span.bucket, span.last)
    return [*found, Portion(tuple(portion), after)] if count else found


async def body_of(tx: Tx, vault: Vault, endpoint: Endpoint, data: Json) -> Json:
    """Return a change notice's data as it goes out now, with the changes themselves.

    Without any where the register was restored since: the positions mean nothing any more.
    """
    if Cursor.parse(data["cursor"]).epoch != await feed_epoch(tx):
        return data | {"changes": [], "detail": _RESTARTED_DETAIL}
    channel = parse_channel(data["channel"])
    spans = [Span(**span) for span in data["covers"]]
    changes = await feeds.changes_of(tx, vault, endpoint.brand_id, channel, spans)
    return data | {"changes": [_document(one, endpoint) for one in changes]}


def _document(change: Change, endpoint: Endpoint) -> dict[str, Json]:
    document = {
        "change": change.effect,
        "bucket": change.bucket,
        "position": change.position,
        "scope": change.scope,
        "topic": change.topic or None,
        "reason": change.reason,
        "deadline_at": change.deadline_at,
        "opt_out_id": change.event_id,
    }
    if not endpoint.with_addresses:
        return document
    return document | {"address": _short(change.address), "sha256": change.sha256.hex()}


def _short(address: str | None) -> str | None:
    """Leave out an address that would not fit; its SHA-256 names it as well."""
    return address if address and len(address.encode()) <= ADDRESS_OCTETS_MAX else None
