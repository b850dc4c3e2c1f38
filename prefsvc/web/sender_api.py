"""Senders and brands by API: who has heard what, and who may send."""

from datetime import datetime
from typing import Any

from aiohttp import web

from prefsvc import handovers, senders
from prefsvc.doors import SERVICE
from prefsvc.errors import NotAllowed, UnknownSender
from prefsvc.senders import Standing
from prefsvc.suppressions import head
from prefsvc.web.auth import admitted, identify
from prefsvc.web.body import answer
from prefsvc.web.opt_out_api import moment


async def get_brands(request: web.Request) -> web.Response:
    """GET /v1/brands: those that the key may see."""
    caller = await identify(request)
    brands = [
        brand.brand.to_document()
        for brand in request.app[SERVICE].book.by_slug.values()
        if brand.retired_at is None and caller.brand_id in {None, brand.brand_id}
    ]
    return answer({"brands": brands})


async def get_brand(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}."""
    entry = await admitted(request, "sender", "operator")
    return answer(entry.brand.brand.to_document())


async def get_senders(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/senders."""
    entry = await admitted(request, "operator")
    async with entry.service.database.read() as tx:
        every = await senders.standings(tx, entry.service.obligations, entry.brand)
        end = await head(tx, entry.brand)
        told = await handovers.last_told(tx, entry.brand, end.epoch)
    documents = [_sender_document(one, told.get(one.sender.sender_id)) for one in every]
    return answer({"position_count": sum(end.positions), "senders": documents})


async def get_clearance(request: web.Request) -> web.Response:
    """GET /v1/brands/{brand}/senders/{sender}/clearance."""
    entry = await admitted(request, "sender", "operator")
    slug = request.match_info["sender"]
    if entry.caller.sender_slug not in {None, slug}:
        raise NotAllowed("This key is another sender's.")
    if "\0" in slug:
        raise UnknownSender  # PostgreSQL could not even be asked
    async with entry.service.database.read() as tx:
        sender = await senders.find(tx, entry.brand, slug)
        clearance = await senders.clearance(tx, entry.service.obligations, entry.brand, sender)
    return answer(
        {
            "sender": slug,
            "clearance": clearance.is_given,
            "as_of": moment(clearance.as_of),
            "valid_until": moment(clearance.until),
            "missing": clearance.missing,
            "cursor": str(sender.acknowledged) if sender.acknowledged else None,
        }
        | _standing_document(clearance.standing)
    )


def _sender_document(standing: Standing, told_at: datetime | None) -> dict[str, Any]:
    sender = standing.sender
    known = sender.acknowledged
    return {
        "sender": sender.slug,
        "channel": sender.channel,
        "told_at": moment(told_at),
        "acknowledged_at": moment(sender.acknowledged_at),
        "acknowledged_position_count": sum(known.positions) if known else 0,
        "cursor": str(known) if known else None,
    } | _standing_document(standing)


def _standing_document(standing: Standing) -> dict[str, Any]:
    owed = standing.owed
    return {
        "state": standing.state,
        "owed_count": owed.count,
        "next_target_at": moment(owed.target_at),
        "next_deadline_at": moment(owed.deadline_at),
    }
