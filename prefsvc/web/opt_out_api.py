"""Opt-outs and opt-ins by API: the company's programs and people say what they were told."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from prefsvc import heard, opt_outs
from prefsvc.address import Address, Channel
from prefsvc.brands import AppliedBrand
from prefsvc.country import known_country
from prefsvc.db import queries
from prefsvc.db.away import AWAY
from prefsvc.db.connection import Tx
from prefsvc.doors import arrived, count
from prefsvc.errors import EvidenceMissing, UnknownOptOut
from prefsvc.heard import Heard
from prefsvc.honour import Deadline, Moments
from prefsvc.ledger import bucket_of_event
from prefsvc.opt_outs import Act, Recorded
from prefsvc.recipients import Recipient
from prefsvc.reckonings import Reckonings
from prefsvc.scopes import scope_of
from prefsvc.suppression import Scope, ScopeKind
from prefsvc.web.auth import Entry, admitted
from prefsvc.web.body import Strict, answer, read_json
from prefsvc.web.idempotency import REPLAYED, Outcome, once, request_of

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
GivenReason = Literal[
    "opt_out", "complaint", "undeliverable", "deactivated", "restriction", "reassigned"
]
"""Every reason but `alias`, which only follows from what was said of another spelling."""
OptOutSource = Literal[
    "api", "complaint", "fax", "import", "in_store", "letter", "phone", "preference_centre",
    "registration",
]  # fmt: skip
OptInSource = Literal[
    "confirmation", "form", "import", "in_store", "letter", "phone", "preference_centre",
    "purchase", "registration",
]  # fmt: skip


class AddressBody(Strict, frozen=True, kw_only=True):
    """One more address of the same person."""

    channel: Channel
    address: Text


class OptOutBody(Strict, frozen=True, kw_only=True):
    """What a person said, and how it reached the company."""

    channel: Channel
    address: Text
    also: Annotated[tuple[AddressBody, ...], msgspec.Meta(max_length=20)] = ()
    scope: ScopeKind | None = None
    topic: Text | None = None
    reason: GivenReason = "opt_out"
    source: OptOutSource = "api"
    sent_at: Moment | None = None
    received_at: Moment | None = None
    country: str | None = None
    evidence: dict[str, Any] | None = None


class OptInBody(Strict, frozen=True, kw_only=True):
    """What a person agreed to, and what proves it."""

    channel: Channel
    address: Text
    scope: ScopeKind | None = None
    topic: Text | None = None
    reason: GivenReason = "opt_out"
    source: OptInSource
    sent_at: Moment | None = None
    received_at: Moment | None = None
    evidence: dict[str, Any]


async def post_opt_out(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/opt-outs."""
    entry = await admitted(request, "operator", "sender")
    body = await read_json(request, OptOutBody)
    acts = _opt_out_acts(entry, body)
    made: list[Recorded] = []
    received_at = entry.service.now()

    async def act(tx: Tx) -> Outcome:
        recorded = await opt_outs.record(tx, entry.service.vault, arrived(acts, received_at))
        made.extend(recorded)
        first, *others = [_document(entry.brand, one) for one in recorded]
        return 201 if recorded[0].is_new else 200, first | {"also": others}

    asked = request_of(request, entry, msgspec.to_builtins(body))
    try:
        response = await entry.service.in_time(lambda: once(entry, asked, act))
    except AWAY:
        return _kept(entry.brand, await entry.service.keep(acts, received_at))
    if REPLAYED not in response.headers:
        count(acts, made)
    return response


def _kept(brand: AppliedBrand, made: list[Recorded]) -> web.Response:
    """Say that it is kept and will be recorded: whether it is new will show then."""
    first, *others = [_document(brand, one) | {"is_new": None} for one in made]
    return answer(first | {"also": others}, status=202)


async def post_opt_in(request: web.Request) -> web.Response:
    """POST /v1/brands/{brand}/opt-ins."""
    entry = await admitted(request, "operator")
    body = await read_json(request, OptInBody)
    if not body.evidence:
        raise EvidenceMissing(pointer="/evidence")
    made = Act(
        entry.brand,
        Recipient.of(Address.for_opt_in(body.channel, body.address), entry.service.vault),
        Scope.of(body.reason, scope_of(entry.brand, body.channel, body.scope, body.topic)),
        body.source,
        _evidence(entry, body.evidence),
        reason=body.reason,
        sent_at=body.sent_at,
        received_at=body.received_at,
    )

    async def act(tx: Tx) -> Outcome:
        [recorded] = await opt_outs.withdraw(tx, entry.service.vault, [made])
        return 201, _opt_in_document(entry.brand, recorded)

    return await once(entry, request_of(request, entry, msgspec.to_builtins(body)), act)


async def get_opt_out(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/opt-outs/{opt_out_id}."""
    entry = await admitted(request, "operator", "sender")
    try:
        event_id = UUID(request.match_info["opt_out_id"])
    except ValueError:
        raise UnknownOptOut from None
    async with entry.service.database.read() as tx:
        row = await queries.event(
            tx.conn,
            bucket=bucket_of_event(event_id),
            event_id=event_id,
            brand_id=entry.brand.brand_id,
        )
        if row is None or entry.caller.channel not in {None, row.channel}:
            raise UnknownOptOut
        hearings = await heard.of(tx, entry.brand, row, sender=entry.caller.sender_slug)
        moments = Moments(
            sent_at=row.sent_at, received_at=row.received_at, recorded_at=row.recorded_at
        )
        deadline = await Reckonings(tx).of(row.deadline, moments)
    document = _event_document(entry, row, deadline)
    return answer(document | {"senders": [_heard_document(one) for one in hearings]})


def _opt_out_acts(entry: Entry, body: OptOutBody) -> list[Act]:
    addresses = [(body.channel, body.address), *((one.channel, one.address) for one in body.also)]
    country = _country(body.country)
    # A mailing tool may also pass on that somebody wants no more texts: whoever heard it says so.
    return [
        Act(
            entry.brand,
            Recipient.of(Address.for_opt_out(channel, address), entry.service.vault),
            # Another address of the person has no part in a topic of this one's channel.
            Scope.of(body.reason, scope_of(entry.brand, channel, body.scope, body.topic)),
            body.source,
            _evidence(entry, body.evidence or {}),
            reason=body.reason,
            sent_at=body.sent_at,
            received_at=body.received_at,
            country=country,
        )
        for channel, address in addresses
    ]


def _country(given: str | None) -> str | None:
    """Understand a country; what is none says nothing, and the opt-out counts (promise 3)."""
    return known_country(given.strip().upper()) if given else None


def _evidence(entry: Entry, given: dict[str, Any]) -> dict[str, Any]:
    return {"api_key": entry.caller.api_key_id, "given": given}


def _document(brand: AppliedBrand, recorded: Recorded) -> dict[str, Any]:
    return {
        "opt_out_id": str(recorded.event_id),
        "brand": brand.slug,
        "is_new": recorded.is_new,
        "effect": recorded.effect,
        "scope": recorded.scope.kind,
        "topic": recorded.scope.topic or None,
        "reason": recorded.reason,
        "received_at": moment(recorded.received_at),
        "deadline_at": moment(recorded.deadline_at),
    }


def _opt_in_document(brand: AppliedBrand, recorded: Recorded) -> dict[str, Any]:
    return {
        "opt_in_id": str(recorded.event_id),
        "brand": brand.slug,
        "lifted": recorded.effect == "lifted",
        "also_lifted": list(recorded.also_lifted),
        "scope": recorded.scope.kind,
        "topic": recorded.scope.topic or None,
        "reason": recorded.reason,
        "received_at": moment(recorded.received_at),
    }


def _event_document(
    entry: Entry, row: queries.EventRow, deadline: Deadline | None
) -> dict[str, Any]:
    is_operator = entry.caller.role == "operator"
    return {
        "opt_out_id": str(row.event_id),
        "brand": entry.brand.slug,
        "act": row.act,
        "effect": row.effect,
        "channel": row.channel,
        "scope": row.scope,
        "topic": row.topic or None,
        "reason": row.reason,
        "source": row.source,
        "sent_at": moment(row.sent_at),
        "received_at": moment(row.received_at),
        "recorded_at": moment(row.recorded_at),
        "deadline_at": moment(row.deadline_at),
        "deadline": explained(deadline),
        # What a person wrote is for those who answer for it, not for every mailing tool.
        "evidence": row.evidence if is_operator else None,
    }


def explained(deadline: Deadline | None) -> dict[str, Any] | None:
    """Return how a deadline was counted: each window, and all of it in words."""
    if deadline is None:
        return None
    words = deadline.explain().splitlines()
    return {"country": None, **deadline.to_document(), "explanation": words}


def _heard_document(heard: Heard) -> dict[str, Any]:
    return {
        "sender": heard.sender.slug,
        "told_at": moment(heard.told_at),
        "acknowledged_at": moment(heard.acknowledged_at),
        "state": heard.state,
    }


def moment(at: datetime | None) -> str | None:
    """Write a moment as RFC 3339 in UTC."""
    return at.isoformat().replace("+00:00", "Z") if at else None
