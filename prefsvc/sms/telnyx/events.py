"""POST /hooks/telnyx/events: all that Telnyx tells of a messaging profile, at one address."""

from aiohttp import web

from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import StaleWebhook
from prefsvc.sms.message import InboundMessage, intent
from prefsvc.sms.receiving import brand_of, take_message, take_status
from prefsvc.sms.telnyx.event import Event
from prefsvc.sms.telnyx.reading import read_errors, read_messages
from prefsvc.sms.telnyx.signed import SignedEvent, signed_event


async def post_event(request: web.Request) -> web.Response:
    """Record what a person asks for, or what an error says of one; 204 once it is durable.

    Telnyx takes no reply here: its profile's autoresponder answers people, or nobody does.
    """
    service = request.app[SERVICE]
    signed = await signed_event(request)
    match signed.event.kind:
        case "message.received":
            await _take_messages(service, signed)
        case "message.sent" | "message.finalized":
            await _take_errors(service, signed.event)
        case _:
            pass  # read receipts, registrations and what else Telnyx may tell of
    return web.Response(status=204)


async def _take_messages(service: Service, signed: SignedEvent) -> None:
    messages = read_messages(signed.event)
    # Each attempt has a signature of its own: `meta.attempt` is part of what is signed. So no retry
    # of Telnyx' is stale, and a stale one is a clock that is wrong, or a replay. Neither may cost a
    # STOP: it is what the person wrote, and its id counts once. START lifts, so it must be fresh.
    if not signed.is_fresh and intent(messages[0]).intent == "start":
        raise StaleWebhook
    for brand, message in _addressed(service, messages):
        await take_message(service, brand, message)


def _addressed(
    service: Service, messages: list[InboundMessage]
) -> list[tuple[AppliedBrand, InboundMessage]]:
    """Return each brand that was written to, with its copy of the message, or refuse."""
    to_brands = [one for one in messages if one.to in service.book.by_number] or messages
    found = {
        brand.brand_id: (brand, one)
        for one in reversed(to_brands)
        for brand in [brand_of(service, one.to, one.sender_pool)]
    }
    return list(found.values())


async def _take_errors(service: Service, event: Event) -> None:
    for status, error in read_errors(event):
        brand = brand_of(service, status.from_, status.sender_pool)
        await take_status(service, brand, status, error)
