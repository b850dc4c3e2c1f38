"""POST /hooks/twilio/events: what Twilio's Event Streams tell of people's numbers (S-33)."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from prefsvc.doors import SERVICE, Service
from prefsvc.errors import Refusal, UnsignedWebhook
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.sms.receiving import brand_of
from prefsvc.sms.twilio.event_reading import ReassignedNumber, read_events, read_reassigned
from prefsvc.sms.twilio.signed import signed_body
from prefsvc.suppression import Scope


async def post_events(request: web.Request) -> web.Response:
    """Record which numbers have another owner; 204 once it is durable, so that Twilio retries.

    What can be recorded is, also beside what has to be refused: Twilio sends all of them again.
    """
    service = request.app[SERVICE]
    limits = service.settings
    body, accounts = await signed_body(request, bytes_max=limits.twilio_events_body_bytes_max)
    acts, refusals = [], []
    for event in read_events(body, events_max=limits.twilio_events_max):
        try:
            acts += _acts(service, event, accounts)
        except Refusal as refusal:
            refusals.append(refusal)
    if acts:
        await service.record(acts)
    if refusals:
        raise refusals[0]
    return web.Response(status=204)


def _acts(service: Service, event: Mapping[str, Any], accounts: frozenset[str]) -> list[Act]:
    number = read_reassigned(event)
    if number is None:
        return []
    if not accounts & {"", number.account}:
        raise UnsignedWebhook  # by the account that it is about
    return [_act(service, number)]


def _act(service: Service, number: ReassignedNumber) -> Act:
    return Act(
        # A pool of numbers is named in the same place.
        brand_of(service, number.brands_number, number.brands_number),
        Recipient.of(number.address(), service.vault),
        Scope.of("reassigned", Scope("channel")),
        "provider_block",
        number.evidence(),
        reason="reassigned",
        sent_at=number.detected_at,
        # Event Streams deliver at least once, and in any order.
        idempotency_key=f"twilio:{number.event_id}",
    )
