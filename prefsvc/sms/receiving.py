"""What every provider's door does with what it read: find the brand, record, have people look."""

from dataclasses import asdict

from prefsvc import metrics, texts
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.errors import InvalidAddress, UnknownRecipientNumber
from prefsvc.intent import Decision
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.sms.hearing import hear
from prefsvc.sms.message import InboundMessage, intent
from prefsvc.sms.network import scope_of
from prefsvc.sms.replies import Outcome
from prefsvc.sms.status import MessageStatus, SendError
from prefsvc.suppression import ActKind, Scope
from prefsvc.text_order import Text
from prefsvc.texts import Word


def brand_of(service: Service, number: str | None, sender_pool: str | None) -> AppliedBrand:
    """Find the brand by its number, else by its messaging service, or refuse."""
    brand = service.book.by_number.get(number or "") or service.book.by_service.get(
        sender_pool or ""
    )
    if brand is None:
        raise UnknownRecipientNumber
    return brand


async def take_message(
    service: Service, brand: AppliedBrand, message: InboundMessage
) -> Outcome | None:
    """Record a STOP or START, or have a person look; return what it is answered with, if anything.

    It is durable when this returns; what is raised instead lets the provider try again.
    """
    try:
        recipient = Recipient.of(message.address(), service.vault)
    except InvalidAddress:
        return None  # A short code or a name wrote: nobody whom a sender could text.
    decision = intent(message, wrong_number=brand.brand.sms.wrong_number)
    match decision.intent:
        case "stop" | "start":
            return await _take_word(service, message, decision, brand, recipient)
        case "ask":
            await service.ask(_doubt(message, decision, brand, recipient))
            return None
        case "help":
            return "help"
        case "none":
            return None


async def _take_word(
    service: Service,
    message: InboundMessage,
    decision: Decision,
    brand: AppliedBrand,
    recipient: Recipient,
) -> Outcome | None:
    evidence = message.evidence() | asdict(decision)
    act = Act(brand, recipient, scope_of(message.network), texts.SOURCE, evidence)
    text = Text(message.provider, message.message_id, message.account, message.sent_at)
    kind: ActKind = "opt_out" if decision.intent == "stop" else "opt_in"
    heard = await hear(service, Word(kind, act, text))
    return heard.answer


def _doubt(
    message: InboundMessage, decision: Decision, brand: AppliedBrand, recipient: Recipient
) -> Doubt:
    message_id, scope = f"{message.provider}:{message.message_id}", scope_of(message.network)
    return Doubt(brand, recipient, message_id, decision, message.evidence(), scope)


async def take_status(
    service: Service, brand: AppliedBrand, status: MessageStatus, error: SendError
) -> None:
    """Record what a provider's error says of the person."""
    recipient = Recipient.of(status.address(), service.vault)
    act = Act(
        brand,
        recipient,
        # That a number takes no texts is no word of the person, and true of this channel only.
        scope_of(status.network) if error.reason == "opt_out" else Scope("channel"),
        "provider_block",
        status.evidence() | {"rule": error.rule},
        reason=error.reason,
        # Callbacks come in any order and more than once (S-08), and none says when the person
        # blocked us: one that is new counts as said now, even after a START. Doubt means stop.
        # One message may be for several people, who are stopped each for themselves.
        idempotency_key=f"{status.provider}:{status.message_id}:{recipient.address_key.hex()}:"
        f"{error.code}",
    )
    [recorded] = await service.record([act])
    if recorded.is_new and error.reason == "opt_out":
        # Somebody told the provider to stop, and we did not hear it (S-27).
        metrics.MISSED_OPT_OUTS.labels(brand.slug, status.provider, error.code).inc()
