"""Twilio's forms read into messages and statuses (RULES S-01).

Refused only where one cannot be attributed; whatever else is missing or odd is left out.
"""

from multidict import MultiMapping

from prefsvc.sms.message import InboundMessage, OptOutType, body_of, names_of
from prefsvc.sms.status import MessageStatus
from prefsvc.sms.twilio.form import message_sid_of, optional, parted, required


def read_message(form: MultiMapping[str]) -> InboundMessage:
    """Read what a person wrote, or refuse what names nobody, nothing or nowhere."""
    network, from_ = parted(required(form, "From"))
    service = optional(form, "MessagingServiceSid")
    to = optional(form, "To") if service else required(form, "To")
    return InboundMessage(
        provider="twilio",
        message_id=message_sid_of(form),
        account=optional(form, "AccountSid"),
        sender_pool=service,
        network=network,
        from_=from_,
        to=parted(to)[1] if to else None,
        body=body_of(form.getall("Body", [])),
        opt_out_type=_opt_out_type(form),
        media_count=_media_count(form),
        parameter_names=names_of(form),
    )


def read_status(form: MultiMapping[str]) -> MessageStatus:
    """Read what became of a message, or refuse what names no message, nobody or no brand."""
    network, to = parted(required(form, "To"))
    service = optional(form, "MessagingServiceSid")
    from_ = optional(form, "From") if service else required(form, "From")
    return MessageStatus(
        provider="twilio",
        message_id=message_sid_of(form),
        account=optional(form, "AccountSid"),
        sender_pool=service,
        network=network,
        from_=parted(from_)[1] if from_ else None,
        to=to,
        status=optional(form, "MessageStatus"),
        error_code=optional(form, "ErrorCode"),
        parameter_names=names_of(form),
    )


def _opt_out_type(form: MultiMapping[str]) -> OptOutType | None:
    said = {text.strip().upper() for text in form.getall("OptOutType", [])}
    if "STOP" in said:
        return "STOP"
    return "START" if said == {"START"} else "HELP" if said == {"HELP"} else None


def _media_count(form: MultiMapping[str]) -> int:
    said = form.get("NumMedia", "").strip()
    return int(said) if said.isdecimal() and len(said) <= 3 else 0  # noqa: PLR2004 - digits
