"""The lists: may this be sent, who must not be sent to, what has changed, and a sender's word."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

import msgspec
from aiohttp import web

from prefsvc import feeds, metrics, suppressions
from prefsvc.address import Channel, address_keys, canonical_of, kind_of, sha256_of
from prefsvc.cursor import Cursor
from prefsvc.errors import InvalidAddress, InvalidBody, InvalidParameter, TooBusy
from prefsvc.suppression import MessageClass, Purpose, State
from prefsvc.suppressions import Lease, States
from prefsvc.vault import Vault
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import Strict, answer, query, read_json, whole_number
from prefsvc.web.handing_over import note, send_out
from prefsvc.web.opt_out_api import Text, moment

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
PAGE_SIZE_DEFAULT = 1000


class CheckBody(Strict, frozen=True, kw_only=True):
    """What a sender is about to send, and to whom: addresses or their SHA-256s."""

    channel: Channel | None = None
    topic: Text | None = None
    message_class: MessageClass | None = None
    purpose: Purpose = "message"
    addresses: list[str] | None = None
    sha256: list[str] | None = None


async def post_check(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/check."""
    entry = await admitted(request, "sender", "operator")
    body = await read_json(request, CheckBody)
    channel = entry.channel(body.channel)
    asked = suppressions.question(
        entry.brand,
        channel,
        topic=body.topic,
        message_class=body.message_class,
        purpose=body.purpose,
    )
    texts = _wanted(entry, body)
    keys = _Keys.keyed(entry.service.vault, channel, is_hashed=body.addresses is None)
    lease = suppressions.lease(entry.brand, channel, entry.service.now())
    states = await _states(entry, keys, texts)
    found = suppressions.obstacles(states, filter(None, keys.every), asked)
    forbidden = {key: _verdict(state) for key, state in found.items()}
    results = [forbidden.get(key, _CLEAR) if key else _UNREADABLE for key in keys.every]
    return answer(lease_document(lease) | {"results": results})


def _wanted(entry: Entry, body: CheckBody) -> list[str]:
    if (body.addresses is None) == (body.sha256 is None):
        raise InvalidBody("Give either addresses or sha256.", pointer="/addresses")
    wanted = body.addresses if body.addresses is not None else body.sha256 or []
    most = entry.service.settings.check_addresses_max
    if not 1 <= len(wanted) <= most:
        raise InvalidBody(f"Give 1 to {most} at once.", pointer="/addresses")
    return wanted


async def _states(entry: Entry, keys: "_Keys", texts: list[str]) -> States:
    """Read what suppresses these: a few with whoever else asks now, many on a connection."""
    service, brand_id = entry.service, entry.brand.brand_id
    if len(texts) <= suppressions.AT_ONCE_MAX:
        return await service.checks.ask(brand_id, keys.channel, keys.of(texts))
    async with service.database.look() as tx:
        every = (keys.of(part) for part in _parts(texts, suppressions.AT_ONCE_MAX))
        return await suppressions.active_among(tx, brand_id, keys.channel, every)


def _parts(texts: list[str], size: int) -> Iterator[list[str]]:
    return (texts[start : start + size] for start in range(0, len(texts), size))


@dataclass(slots=True)
class _Keys:
    """The address keys of what was asked about, in its order; None for what cannot be read."""

    derive: Callable[[bytes], bytes] = field(repr=False)
    channel: Channel
    is_hashed: bool
    every: list[bytes | None] = field(default_factory=list)

    @classmethod
    def keyed(cls, vault: Vault, channel: Channel, *, is_hashed: bool) -> Self:
        """Read addresses of this channel, or their SHA-256s."""
        return cls(address_keys(vault.pepper, kind_of(channel)), channel, is_hashed)

    def of(self, texts: Iterable[str]) -> list[bytes]:
        """Read some more, and return the keys of those that can be."""
        read = self._of_sha256 if self.is_hashed else self._of_address
        made = [read(text) for text in texts]
        self.every += made
        return [key for key in made if key]

    def _of_address(self, text: str) -> bytes | None:
        try:
            return self.derive(sha256_of(canonical_of(self.channel, text)))
        except InvalidAddress:
            return None

    def _of_sha256(self, text: str) -> bytes | None:
        if not _SHA256.fullmatch(text):
            return None
        return self.derive(bytes.fromhex(text))


_UNREADABLE: Final = {"may_send": False, "reason": "unreadable"}
"""Unknown means do not send (promise 12)."""
_CLEAR: Final = {"may_send": True}


def _verdict(state: State) -> dict[str, Any]:
    return {
        "may_send": False,
        "reason": state.reason,
        "scope": state.scope.kind,
        "topic": state.scope.topic or None,
        "since": state.said_at,
        "deadline_at": state.deadline_at,
        "opt_out_id": state.event_id,
    }


def lease_document(lease: Lease) -> dict[str, Any]:
    """Write since when a list is complete and until when it is good."""
    return {"as_of": lease.as_of, "valid_until": lease.valid_until}


async def get_feed(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/feed: a page of changes, waiting for one if asked to."""
    entry = await admitted(request, "sender", "operator")
    settings = entry.service.settings
    given = query(request, "after", "limit", "wait", "channel")
    channel = entry.channel(given.get("channel"))
    size = whole_number(
        given.get("limit", str(PAGE_SIZE_DEFAULT)),
        name="limit",
        at_least=1,
        at_most=settings.feed_page_size_max,
    )
    wait = whole_number(
        given.get("wait", "0"), name="wait", at_least=0, at_most=int(settings.feed_wait_seconds_max)
    )
    after = Cursor.parse(given["after"]) if "after" in given else None
    page = await _awaited_page(entry, channel, after, size=size, wait=wait)
    response = answer(page)
    if page["covers"] and await send_out(request, response):
        await note(request, entry, Cursor.parse(page["cursor"]))
    return response


async def _awaited_page(
    entry: Entry, channel: Channel, after: Cursor | None, *, size: int, wait: int
) -> dict[str, Any]:
    """Return the first page that covers anything, or the empty one when the wait is over.

    Every look is a short transaction of its own: a waiting poll holds no connection.
    """
    service = entry.service
    if wait and service.bell.waiters >= service.settings.feed_waiters_max:
        raise TooBusy
    until = asyncio.get_running_loop().time() + wait
    service.bell.waiters += 1
    try:
        while True:
            page = await _page(entry, channel, after, size)
            left = until - asyncio.get_running_loop().time()
            if page["covers"] or left <= 0 or service.stopping.is_set():
                return page
            metrics.FEED_WAITERS.set(service.bell.waiters)
            await service.bell.wait(
                entry.brand.brand_id,
                timeout_seconds=min(left, service.settings.feed_recheck_seconds),
            )
    finally:
        service.bell.waiters -= 1
        metrics.FEED_WAITERS.set(service.bell.waiters)


async def _page(entry: Entry, channel: Channel, after: Cursor | None, size: int) -> dict[str, Any]:
    service = entry.service
    # Without a transaction: what is at positions that were given out stands, whenever it is read.
    async with service.database.look() as tx:
        start = after or Cursor.start(
            (await suppressions.head(tx, entry.brand)).epoch, entry.brand.brand_id
        )
        page = await feeds.page_after(tx, service.vault, entry.brand, channel, start, size=size)
        lease = suppressions.lease(entry.brand, channel, tx.now)
    return {
        "changes": [_change_document(channel, change) for change in page.changes],
        "covers": [
            {"bucket": span.bucket, "first": span.first, "last": span.last} for span in page.spans
        ],
        "cursor": str(page.cursor),
        "has_more": page.has_more,
    } | (
        lease_document(lease) if not page.has_more else {"as_of": lease.as_of, "valid_until": None}
    )


def _change_document(channel: Channel, change: feeds.Change) -> dict[str, Any]:
    return {
        "change": change.effect,
        "bucket": change.bucket,
        "position": change.position,
        "channel": channel,
        "address": change.address,
        "sha256": change.sha256.hex(),
        "scope": change.scope,
        "topic": change.topic or None,
        "reason": change.reason,
        "received_at": change.received_at,
        "deadline_at": change.deadline_at,
        "opt_out_id": change.event_id,
    }


class AcknowledgementBody(Strict, frozen=True, kw_only=True):
    """A sender's word that all up to a cursor is applied.

    The last line of a snapshot is taken as it is, so its other fields are known here.
    """

    cursor: Annotated[str, msgspec.Meta(min_length=1)]
    end: bool = True
    count: int = 0
    lines_sha256: str = ""
    positions: tuple[tuple[int, int], ...] = ()


async def post_acknowledgement(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/feed/acknowledgements."""
    entry = await admitted(request, "sender")
    body = await read_json(request, AcknowledgementBody)
    cursor = Cursor.parse(body.cursor)
    if entry.caller.sender_id is None:
        raise InvalidParameter("Only a sender acknowledges.")
    async with entry.service.database.transaction() as tx:
        at = await feeds.acknowledge(tx, entry.brand, entry.caller.sender_id, cursor)
    return answer({"acknowledged_at": moment(at), "cursor": body.cursor})
