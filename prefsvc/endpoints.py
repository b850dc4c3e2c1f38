"""Endpoints: where notices go, a URL (a webhook) or a mailbox, and which of them it asks for."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args
from uuid import UUID, uuid4

from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx
from prefsvc.errors import InvalidEndpoint, SenderRetired, TooManyEndpoints, UnknownEndpoint
from prefsvc.settings import Settings
from prefsvc.suppressions import head
from prefsvc.vault import Vault

EndpointKind = Literal["webhook", "mail", "receipt"]
"""Of a brand's receipts there is one, which nobody adds: people's own mailboxes (receipts.py)."""
EventKind = Literal["alarm", "suppression"]

EVENT_KINDS: Final[tuple[EventKind, ...]] = ("alarm", "suppression")
"""What an endpoint may ask for: alarms about senders, and each change of the lists."""

OLD_SECRET_SIGNS_FOR: Final = timedelta(hours=24)
"""How long the secret before the newest signs, too, so that a receiver can change at leisure."""

_SECRET_BYTES: Final = 32  # Standard Webhooks: 24 to 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where notices go. No sender: it is told of every sender of the brand."""

    endpoint_id: UUID
    brand_id: int
    sender_id: UUID | None
    kind: EndpointKind
    target: str
    events: tuple[EventKind, ...]
    with_addresses: bool
    feed: Cursor | None
    """How far in the feed change notices have been written for it; None if it wants none."""
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_why: str | None = None
    sealed_secret: bytes | None = None
    previous_sealed_secret: bytes | None = None
    previous_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint that somebody wants; its target was checked before."""

    kind: EndpointKind
    target: str
    events: tuple[EventKind, ...]
    sender_id: UUID | None = None
    with_addresses: bool = False


async def add(
    tx: Tx, vault: Vault, settings: Settings, brand: AppliedBrand, wanted: Wanted
) -> tuple[Endpoint, str | None]:
    """Add an endpoint; return it and its secret (`whsec_...`), which is shown this once.

    Change notices begin with the next change after this.
    """
    _check(wanted)
    await _check_serving(tx, wanted.sender_id)
    await _check_room(tx, settings, brand, wanted)
    endpoint_id = uuid4()
    secret = secrets.token_bytes(_SECRET_BYTES) if wanted.kind == "webhook" else None
    made = Endpoint(
        endpoint_id=endpoint_id,
        brand_id=brand.brand_id,
        sender_id=wanted.sender_id,
        kind=wanted.kind,
        target=wanted.target,
        events=wanted.events,
        with_addresses=wanted.with_addresses,
        feed=await head(tx, brand) if "suppression" in wanted.events else None,
        created_at=tx.now,
        sealed_secret=vault.seal_secret(endpoint_id, secret) if secret else None,
    )
    await _insert(tx, made)
    return made, _shown(secret) if secret else None


async def find(tx: Tx, brand: AppliedBrand, endpoint_id: UUID) -> Endpoint:
    """Return the brand's endpoint of this id, or refuse."""
    row = await queries.endpoint(tx.conn, brand_id=brand.brand_id, endpoint_id=endpoint_id)
    if row is None:
        raise UnknownEndpoint
    return _endpoint(row)


async def every(tx: Tx, brand: AppliedBrand, *, sender_id: UUID | None = None) -> list[Endpoint]:
    """Return the brand's endpoints, or those of one of its senders, the oldest first."""
    rows = await queries.brand_endpoints(tx.conn, brand_id=brand.brand_id, sender_id=sender_id)
    return [_endpoint(row) for row in rows]


async def listening(
    tx: Tx, brand_id: int, kind: EventKind, sender_id: UUID | None = None
) -> list[Endpoint]:
    """Return those that want this kind of event and are not disabled.

    With a sender, those that are told of it: its own and those for every sender. Without, all.
    """
    rows = await queries.listening_endpoints(
        tx.conn, brand_id=brand_id, kind=kind, sender_id=sender_id
    )
    return [_endpoint(row) for row in rows]


async def of_receipts(tx: Tx, brand: AppliedBrand) -> Endpoint:
    """Return where a brand's receipts go out, for which there is one endpoint and no target."""
    while (row := await queries.receipts_endpoint(tx.conn, brand_id=brand.brand_id)) is None:
        await queries.begin_receipts(
            tx.conn, endpoint_id=uuid4(), brand_id=brand.brand_id, now=tx.now
        )
    return _endpoint(row)


async def due(tx: Tx) -> list[Endpoint]:
    """Return those for which something is due that no process has in hand."""
    return [_endpoint(row) for row in await queries.due_endpoints(tx.conn, now=tx.now)]


async def rotate(tx: Tx, vault: Vault, endpoint: Endpoint) -> tuple[str, datetime]:
    """Give a webhook another secret; return it, this once, and until when the old one signs."""
    if endpoint.kind != "webhook":
        raise InvalidEndpoint("Only webhooks are signed; a mailbox has no secret.")
    secret = secrets.token_bytes(_SECRET_BYTES)
    until = tx.now + OLD_SECRET_SIGNS_FOR
    await queries.rotate_endpoint(
        tx.conn,
        endpoint_id=endpoint.endpoint_id,
        sealed_secret=vault.seal_secret(endpoint.endpoint_id, secret),
        previous_until=until,
    )
    return _shown(secret), until


def signing_secrets(vault: Vault, endpoint: Endpoint, now: datetime) -> list[bytes]:
    """Open the secrets that sign for a webhook now, the newest first.

    Raise InvalidTag (a fault) where the sealing key is another than when they were made.
    """
    sealed = [endpoint.sealed_secret]
    if endpoint.previous_until and now < endpoint.previous_until:
        sealed.append(endpoint.previous_sealed_secret)
    return [vault.open_secret(endpoint.endpoint_id, one) for one in sealed if one]


async def disable(tx: Tx, endpoint_id: UUID, why: str) -> None:
    """Disable an endpoint, unless that has happened."""
    await queries.disable_endpoint(tx.conn, endpoint_id=endpoint_id, now=tx.now, why=why)


async def give_up(tx: Tx, endpoint_id: UUID, why: str) -> None:
    """Let everything fail that is on its way to an endpoint."""
    await queries.fail_pending(tx.conn, endpoint_id=endpoint_id, now=tx.now, why=why)


async def give_up_disabled(tx: Tx, endpoint_id: UUID) -> None:
    """Let fail what was put on its way at the very moment when its endpoint was disabled."""
    # Locked before its deliveries, as where an attempt disables it: nobody waits in a circle.
    row = await queries.lock_disabled(tx.conn, endpoint_id=endpoint_id)
    if row is not None:
        await give_up(tx, endpoint_id, row.disabled_why)


async def enable(tx: Tx, endpoint: Endpoint) -> None:
    """Enable an endpoint again; what failed meanwhile is sent by a replay."""
    await _check_serving(tx, endpoint.sender_id)
    await queries.enable_endpoint(tx.conn, endpoint_id=endpoint.endpoint_id)


async def remove(tx: Tx, endpoint: Endpoint) -> None:
    """Remove an endpoint, what is on its way to it, and its log."""
    await queries.remove_endpoint(tx.conn, endpoint_id=endpoint.endpoint_id)


def _check(wanted: Wanted) -> None:
    if not wanted.events or len(set(wanted.events)) != len(wanted.events):
        raise InvalidEndpoint("Name each kind of event once, and one at least.", pointer="/events")
    if wanted.kind == "mail" and wanted.events != ("alarm",):
        raise InvalidEndpoint("A mailbox is told of alarms alone.", pointer="/events")
    if wanted.with_addresses and "suppression" not in wanted.events:
        raise InvalidEndpoint(
            "Only notices of changes (events: suppression) can have addresses.",
            pointer="/with_addresses",
        )


async def _check_serving(tx: Tx, sender_id: UUID | None) -> None:
    """Refuse a retired sender; one that serves stays so until the transaction ends."""
    if sender_id is None:
        return
    if await queries.lock_serving_sender(tx.conn, sender_id=sender_id) is None:
        raise SenderRetired


async def _check_room(tx: Tx, settings: Settings, brand: AppliedBrand, wanted: Wanted) -> None:
    # Two that are added at once would each count without the other.
    await queries.lock_brand(tx.conn, brand_id=brand.brand_id)
    counts = await queries.endpoint_counts(
        tx.conn, brand_id=brand.brand_id, sender_id=wanted.sender_id
    )
    if (
        counts.brand_count >= settings.endpoints_per_brand_max
        or counts.sender_count >= settings.endpoints_per_sender_max
    ):
        raise TooManyEndpoints


async def _insert(tx: Tx, made: Endpoint) -> None:
    await queries.add_endpoint(
        tx.conn,
        endpoint_id=made.endpoint_id,
        brand_id=made.brand_id,
        sender_id=made.sender_id,
        kind=made.kind,
        target=made.target,
        events=list(made.events),
        with_addresses=made.with_addresses,
        sealed_secret=made.sealed_secret,
        feed_epoch=made.feed.epoch if made.feed else None,
        positions=list(made.feed.positions) if made.feed else None,
        created_at=made.created_at,
    )


_Row: TypeAlias = (
    queries.EndpointRow
    | queries.BrandEndpointsRow
    | queries.ListeningEndpointsRow
    | queries.DueEndpointsRow
    | queries.ReceiptsEndpointRow
)
_KINDS: Final[dict[str, EndpointKind]] = {kind: kind for kind in get_args(EndpointKind)}


def _endpoint(row: _Row) -> Endpoint:
    return Endpoint(
        endpoint_id=row.endpoint_id,
        brand_id=row.brand_id,
        sender_id=row.sender_id,
        kind=_KINDS[row.kind],
        target=row.target,
        events=_events(row.events),
        with_addresses=row.with_addresses,
        feed=_feed(row),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        disabled_why=row.disabled_why,
        sealed_secret=row.sealed_secret,
        previous_sealed_secret=row.previous_sealed_secret,
        previous_until=row.previous_until,
    )


def _events(names: Sequence[str]) -> tuple[EventKind, ...]:
    return tuple(kind for kind in EVENT_KINDS if kind in names)


def _feed(row: _Row) -> Cursor | None:
    if row.feed_epoch is None or row.positions is None:
        return None
    return Cursor(row.feed_epoch, row.brand_id, tuple(row.positions))


def _shown(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()
