"""A text message as Twilio posts it, read from its form (RULES S-01).

Rule 1: refused only where it cannot be attributed; whatever else is missing or odd is left out.
Rule 2: the person's address and words never show in a repr, and so in no log line.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast

from multidict import MultiMapping

from prefsvc.intent import Decision, WrongNumber, decide, is_yes
from prefsvc.sms.form import message_sid_of, names_of, optional, parted, required, storable

OptOutType = Literal["STOP", "START", "HELP"]

BODY_CHARS_MAX: Final = 4096


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
        network, from_ = parted(required(form, "From"))
        service = optional(form, "MessagingServiceSid")
        to = optional(form, "To") if service else required(form, "To")
        return cls(
            message_sid=message_sid_of(form),
            account_sid=optional(form, "AccountSid"),
            messaging_service_sid=service,
            network=network,
            from_=from_,
            to=parted(to)[1] if to else None,
            body=storable(form.get("Body", ""), BODY_CHARS_MAX),
            opt_out_type=_opt_out_type(form),
            num_media=_num_media(form),
            parameter_names=names_of(form),
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


def _opt_out_type(form: MultiMapping[str]) -> OptOutType | None:
    said = form.get("OptOutType", "").strip().upper()
    return cast("OptOutType", said) if said in {"STOP", "START", "HELP"} else None


def _num_media(form: MultiMapping[str]) -> int:
    said = form.get("NumMedia", "").strip()
    return int(said) if said.isdecimal() and len(said) <= 3 else 0  # noqa: PLR2004 - digits
