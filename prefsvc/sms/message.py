"""A text message as Twilio posts it, read from its form (RULES S-01).

Rule 1: refused only where it cannot be attributed; whatever else is missing or odd is left out.
Rule 2: what is kept can be stored: no NUL, no lone surrogate, a bounded length.
Rule 3: the person's address and words never show in a repr, and so in no log line.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast
from urllib.parse import parse_qsl

from multidict import MultiDict, MultiMapping

from prefsvc.errors import UnreadableMessage
from prefsvc.intent import Decision, WrongNumber, decide, is_yes

OptOutType = Literal["STOP", "START", "HELP"]

BODY_CHARS_MAX: Final = 4096
# Twilio sends some thirty. The signature's check sorts them anew for each token and spelling of the
# URL, so that thousands from a stranger would cost the time of many messages.
PARAMETERS_MAX: Final = 256
_FIELD_CHARS_MAX: Final = 256
_NAME_CHARS_MAX: Final = 64
_NAMES_MAX: Final = 64

# PostgreSQL stores neither.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NETWORK: Final = re.compile(r"([a-z][a-z0-9+.-]{0,31}):(.*)", re.DOTALL | re.IGNORECASE)
_PHONE_NETWORKS: Final = frozenset({"mms", "sms", "tel"})


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a person to a brand."""

    message_sid: str
    account_sid: str | None
    messaging_service_sid: str | None
    network: str  # "sms" (MMS too), "whatsapp", "rcs" ...: what stood before the address
    from_: str = field(repr=False)
    to: str | None
    body: str = field(repr=False)
    opt_out_type: OptOutType | None
    num_media: int
    parameter_names: tuple[str, ...] = field(repr=False)

    @classmethod
    def from_form(cls, form: MultiMapping[str]) -> Self:
        """Read what Twilio posted, or refuse what names nobody, nothing or nowhere."""
        network, from_ = _split(_required(form, "From"))
        service = _field(form, "MessagingServiceSid")
        to = _field(form, "To") if service else _required(form, "To")
        return cls(
            message_sid=_required(form, "MessageSid", "SmsSid", "SmsMessageSid"),
            account_sid=_field(form, "AccountSid"),
            messaging_service_sid=service,
            network=network,
            from_=from_,
            to=_split(to)[1] if to else None,
            body=_storable(form.get("Body", ""), BODY_CHARS_MAX),
            opt_out_type=_opt_out_type(form),
            num_media=_num_media(form),
            parameter_names=_names(form),
        )

    def evidence(self) -> dict[str, str | int | list[str] | None]:
        """Return what proves the request: the words, and how they came.

        The person's address is not in it: it is kept once, where erasure finds it.
        """
        return {
            "provider": "twilio",
            "message_sid": self.message_sid,
            "account_sid": self.account_sid,
            "messaging_service_sid": self.messaging_service_sid,
            "network": self.network,
            "to": self.to,
            "body": self.body,
            "opt_out_type": self.opt_out_type,
            "num_media": self.num_media,
            "parameter_names": list(self.parameter_names),
        }


def parse_form(body: bytes) -> MultiDict[str]:
    """Read a urlencoded body with its blank and repeated parameters; never raises.

    One with too many parameters reads as none, and then no signature covers it.
    """
    text = body.decode(errors="replace")
    if text.count("&") >= PARAMETERS_MAX:
        return MultiDict()
    return MultiDict(parse_qsl(text, keep_blank_values=True))


def intent(message: InboundMessage, *, wrong_number: WrongNumber = "ask") -> Decision:
    """Return what the message asks for; the provider's word wins over our reading (S-12).

    Two things are stronger than the provider's word, because a brand sets the words behind it:
    a request to stop revokes by law, whatever its words were set to mean (S-13), and YES starts
    nothing (S-14). `wrong_number` is what "you have the wrong number" asks of this brand.
    """
    ours = decide(message.body, wrong_number=wrong_number)
    if ours.intent == "stop":
        return ours
    match message.opt_out_type:
        case "STOP":
            return Decision("stop", "provider", "channel")
        case "START" if not is_yes(message.body):
            return Decision("start", "provider")
        case "HELP":
            return Decision("help", "provider")
        case _:
            return ours


def _storable(text: str, chars_max: int) -> str:
    return _UNSTORABLE.sub("\ufffd", text[:chars_max])


def _field(form: MultiMapping[str], name: str) -> str | None:
    return _storable(form.get(name, "").strip(), _FIELD_CHARS_MAX) or None


def _required(form: MultiMapping[str], *names: str) -> str:
    for name in names:
        value = _field(form, name)
        if value and _split(value)[1]:
            return value
    raise UnreadableMessage(pointer=names[0])


def _split(text: str) -> tuple[str, str]:
    """Part `whatsapp:+12025550123` into the network and the address on it (S-31)."""
    prefixed = _NETWORK.fullmatch(text)
    if prefixed is None:
        return "sms", text
    network = prefixed[1].lower()
    return "sms" if network in _PHONE_NETWORKS else network, prefixed[2].strip()


def _opt_out_type(form: MultiMapping[str]) -> OptOutType | None:
    said = form.get("OptOutType", "").strip().upper()
    return cast("OptOutType", said) if said in {"STOP", "START", "HELP"} else None


def _num_media(form: MultiMapping[str]) -> int:
    said = form.get("NumMedia", "").strip()
    return int(said) if said.isdecimal() and len(said) <= 3 else 0  # noqa: PLR2004 - digits


def _names(form: MultiMapping[str]) -> tuple[str, ...]:
    """Return the names alone: their values (a city, a profile's name) prove nothing."""
    names = sorted({_storable(name, _NAME_CHARS_MAX) for name in form})
    return tuple(names[:_NAMES_MAX])
