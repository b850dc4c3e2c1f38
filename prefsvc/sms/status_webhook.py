"""POST /hooks/twilio/statuses: what became of the messages that senders sent by Twilio."""

from aiohttp import web

from prefsvc import metrics
from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE, Service
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.sms.send_errors import SEND_ERRORS, SendError
from prefsvc.sms.signed import brand_of, signed_form
from prefsvc.sms.status import MessageStatus
from prefsvc.suppression import Scope


async def post_status(request: web.Request) -> web.Response:
    """Record what an error says of the person; 204, as callbacks are answered (S-09)."""
    service = request.app[SERVICE]
    status = MessageStatus.from_form(await signed_form(request))
    brand = brand_of(service, status.from_, status.messaging_service_sid)
    error = SEND_ERRORS.get(status.error_code or "")
    if error:
        await _record(service, brand, status, error)
    return web.Response(status=204)


async def _record(
    service: Service, brand: AppliedBrand, status: MessageStatus, error: SendError
) -> None:
    act = Act(
        brand,
        Recipient.of(status.address(), service.vault),
        Scope("channel"),
        "provider_block",
        status.evidence() | {"rule": error.rule},
        reason=error.reason,
        # Callbacks come in any order and more than once (S-08), and none says when the person
        # blocked us: one that is new counts as said now, even after a START. Doubt means stop.
        idempotency_key=f"twilio:{status.message_sid}:{error.code}",
    )
    [recorded] = await service.record([act])
    if recorded.is_new and error.reason == "opt_out":
        # Somebody told Twilio to stop, and we did not hear it (S-27).
        metrics.MISSED_OPT_OUTS.labels(brand.slug, error.code).inc()
