"""What Telnyx' webhook does first: check who posts."""

from dataclasses import dataclass

import structlog
from aiohttp import web

from prefsvc.bodies import only_header
from prefsvc.doors import SERVICE
from prefsvc.errors import UnsignedWebhook
from prefsvc.sms.posted import read_posted
from prefsvc.sms.telnyx.event import Event, parse_event
from prefsvc.sms.telnyx.signature import age_of, is_fresh, is_signed_by

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event that Telnyx signed, and whether it did so just now."""

    event: Event
    is_fresh: bool


async def signed_event(request: web.Request) -> SignedEvent:
    """Read the event that Telnyx signed, or refuse what it did not, or what is no event."""
    service = request.app[SERVICE]
    body = await read_posted(request)
    timestamp = only_header(request, "telnyx-timestamp") or ""
    if not is_signed_by(
        service.vault.telnyx_keys,
        body=body,
        timestamp=timestamp,
        signature=only_header(request, "telnyx-signature-ed25519"),
    ):
        raise UnsignedWebhook
    fresh = is_fresh(timestamp, service.now())
    if not fresh:
        age = age_of(timestamp, service.now())
        log.warning("telnyx_webhook_stale", age_seconds=age.total_seconds() if age else None)
    return SignedEvent(parse_event(body), fresh)
