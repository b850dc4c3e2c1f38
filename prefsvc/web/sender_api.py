"""Senders and brands by API: who has heard what, and who may send."""

from typing import Any

from aiohttp import web

from prefsvc import senders
from prefsvc.doors import SERVICE
from prefsvc.errors import NotAllowed, UnknownSender
from prefsvc.senders import Owed, Sender
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
        every = await senders.every(tx, entry.brand)
        owed = [await senders.owed(tx, entry.brand, sender) for sender in every]
    pairs = zip(every, owed, strict=True)
    return answer({"senders": [_sender_document(sender, debt) for sender, debt in pairs]})


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
        clearance = await senders.clearance(tx, entry.brand, sender)
    return answer(
        {
            "sender": slug,
            "clearance": clearance.is_given,
            "as_of": moment(clearance.as_of),
            "valid_until": moment(clearance.until),
            "missing": clearance.missing,
        }
        | _owed_document(clearance.owed)
    )


def _sender_document(sender: Sender, owed: Owed) -> dict[str, Any]:
    return {
        "sender": sender.slug,
        "channel": sender.channel,
        "acknowledged_at": moment(sender.acknowledged_at),
        "cursor": str(sender.acknowledged) if sender.acknowledged else None,
    } | _owed_document(owed)


def _owed_document(owed: Owed) -> dict[str, Any]:
    return {
        "owed_count": owed.count,
        "overdue_count": owed.overdue_count,
        "next_deadline_at": moment(owed.next_deadline_at),
    }
