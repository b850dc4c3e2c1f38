"""Telnyx' events read into messages and statuses (RULES S-40).

Refused only where one cannot be attributed; whatever else is missing or odd is left out. The three
kinds of message (SMS, MMS, RCS) differ: RCS has its words in `body`, and an agent's id instead of
the brand's number, so that its brand is known by the messaging profile alone.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, cast

from prefsvc.errors import InvalidAddress, UnreadableMessage
from prefsvc.sms.message import InboundMessage, OptOutType, body_of, names_of
from prefsvc.sms.status import MessageStatus, SendError
from prefsvc.sms.telnyx.event import Event, Values, items_of, text_of, values_of
from prefsvc.sms.telnyx.send_errors import SEND_ERRORS

_PHONE_NETWORKS: Final = frozenset({"mms", "sms"})
_FAILED: Final = frozenset({"sending_failed", "delivery_failed"})
_POINTED: Final = re.compile(r"/to/([0-9]{1,3})(?:/|$)")


def read_messages(event: Event) -> list[InboundMessage]:
    """Read what a person wrote, once for each number that it went to: a group text has several.

    Refuse what names nobody or nothing. One that names no number at all came by the profile.
    """
    payload = event.payload
    numbers: list[str | None] = [*_numbers(payload)]
    from_ = _number(payload.get("from"))
    if from_ is None:
        raise UnreadableMessage(pointer="/data/payload/from/phone_number")
    return [
        InboundMessage(
            provider="telnyx",
            message_id=_message_id(payload),
            account=text_of(payload.get("organization_id")),
            sender_pool=_profile(payload),
            network=_network(payload),
            from_=from_,
            to=to,
            body=_words(payload),
            opt_out_type=_opt_out_type(payload),
            media_count=len(items_of(payload.get("media"))),
            sent_at=_moment(payload.get("received_at")) or _moment(event.occurred_at),
            parameter_names=names_of(payload),
        )
        for to in numbers or [None]
    ]


def read_errors(event: Event) -> list[tuple[MessageStatus, SendError]]:
    """Read what a message's errors say of the persons it was for; mostly they say nothing."""
    payload = event.payload
    recipients = [values_of(one) for one in items_of(payload.get("to"))]
    told = [
        (_status(payload, recipient, error), error)
        for said in map(values_of, items_of(payload.get("errors")))
        if (error := SEND_ERRORS.get(_code(said)))
        for recipient in _concerned(said, error, recipients)
    ]
    return [(status, error) for status, error in told if _is_of_somebody(status)]


def _status(payload: Values, recipient: Values, error: SendError) -> MessageStatus:
    return MessageStatus(
        provider="telnyx",
        message_id=_message_id(payload),
        account=text_of(payload.get("organization_id")),
        sender_pool=_profile(payload),
        network=_network(payload),
        from_=_number(payload.get("from")),
        to=_number(recipient) or "",
        status=text_of(recipient.get("status")),
        error_code=error.code,
        parameter_names=names_of(payload),
    )


def _concerned(said: Values, error: SendError, recipients: list[Values]) -> list[Values]:
    """Return whom an error is about: those it points at, else the one who can be meant.

    Of several who can be, a stop counts for each: doubt means stop. That a number takes no texts
    is said of one number, and no START takes it back, so there doubt says nothing.
    """
    pointed = _POINTED.search(text_of(values_of(said.get("source")).get("pointer")) or "")
    if pointed:
        at = int(pointed[1])
        return recipients[at : at + 1]
    failed = [one for one in recipients if text_of(one.get("status")) in _FAILED]
    meant = recipients if len(recipients) == 1 else failed
    return meant if len(meant) == 1 or error.reason == "opt_out" else []


def _is_of_somebody(status: MessageStatus) -> bool:
    """Say whether it is about a person; a short code or a name is nobody whom one could text."""
    try:
        status.address()
    except InvalidAddress:
        return False
    return True


def _message_id(payload: Values) -> str:
    if found := text_of(payload.get("id")):
        return found
    raise UnreadableMessage(pointer="/data/payload/id")


def _numbers(payload: Values) -> list[str]:
    """Return the numbers that it went to, each once: the brand's, and in a group others'."""
    return list(dict.fromkeys(filter(None, map(_number, _addressees(payload)))))


def _addressees(payload: Values) -> Iterator[object]:
    yield from items_of(payload.get("to"))
    yield from items_of(payload.get("cc"))


def _number(found: object) -> str | None:
    return text_of(values_of(found).get("phone_number"))


def _profile(payload: Values) -> str | None:
    profile = text_of(payload.get("messaging_profile_id"))
    return profile and profile.lower()


def _network(payload: Values) -> str:
    network = (text_of(payload.get("type")) or "sms").lower()
    return "sms" if network in _PHONE_NETWORKS else network


def _words(payload: Values) -> str:
    """Return what the person wrote: the text, else an RCS body, a tapped reply, a subject."""
    body = values_of(payload.get("body"))
    tapped = values_of(body.get("suggestion_response"))
    said = (payload.get("text"), body.get("text"), tapped.get("text"), payload.get("subject"))
    words = (one for one in said if isinstance(one, str) and one.strip())
    return body_of([next(words, "")])


def _opt_out_type(payload: Values) -> OptOutType | None:
    """Return which of its answers Telnyx' autoresponder gave (S-12); null where it gave none."""
    said = (text_of(payload.get("autoresponse_type")) or "").upper()
    return cast("OptOutType", said) if said in {"STOP", "START", "HELP"} else None


def _code(error: Values) -> str:
    code = error.get("code")
    return str(code) if isinstance(code, int) else text_of(code) or ""


def _moment(found: object) -> datetime | None:
    """Return a moment; None where it is none, or names no zone."""
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
