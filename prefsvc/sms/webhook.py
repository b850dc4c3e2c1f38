"""POST /hooks/twilio/messages: a person's text, as Twilio passes it on."""

from dataclasses import asdict

from aiohttp import web

from prefsvc.address import Address
from prefsvc.brands import AppliedBrand
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import InvalidAddress
from prefsvc.intent import Decision
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.sms import replies
from prefsvc.sms.message import InboundMessage, intent
from prefsvc.sms.signed import brand_of, signed_form
from prefsvc.suppression import Scope


async def post_message(request: web.Request) -> web.Response:
    """Record a STOP or START, answer HELP, have a person look at what is doubtful.

    2xx only once it is durable, so that Twilio retries.
    """
    service = request.app[SERVICE]
    message = InboundMessage.from_form(await signed_form(request))
    brand = brand_of(service, message.to, message.messaging_service_sid)
    decision = intent(message, wrong_number=brand.brand.sms.wrong_number)
    if decision.intent in {"stop", "start", "ask"}:
        await _record(service, brand, message, decision)
    return _answer(brand, decision)


async def _record(
    service: Service, brand: AppliedBrand, message: InboundMessage, decision: Decision
) -> None:
    try:
        address = Address.for_opt_out("sms", message.from_)
    except InvalidAddress:
        return  # A short code or a name wrote: nobody whom a sender could text.
    recipient = Recipient.of(address, service.vault)
    message_id = f"twilio:{message.message_sid}"
    if decision.intent == "ask":
        await service.ask(Doubt(brand, recipient, message_id, decision, message.evidence()))
        return
    act = Act(
        brand,
        recipient,
        # STOP, and STOP ALL, stop every marketing text of the brand to this number (S-18); START
        # restores just that (S-14).
        Scope("channel"),
        "sms_reply",
        message.evidence() | asdict(decision),
        idempotency_key=message_id,
    )
    await (service.record([act]) if decision.intent == "stop" else service.withdraw([act]))


def _answer(brand: AppliedBrand, decision: Decision) -> web.Response:
    language = brand.brand.default_language
    xml = replies.for_intent(
        decision.intent,
        brand_name=brand.brand.name_in(language),
        language=language,
        contact=brand.brand.contact_text,
        # Two answers to one STOP are one too many (RULES S-15).
        provider_answers=brand.brand.replies_by_provider,
        custom_texts=dict[str, str](brand.brand.reply_texts(language).items()),
    )
    return web.Response(text=xml, content_type="text/xml", charset="utf-8")
