"""A text message from a person to a brand, in words that every provider's door shares (S-40).

The person's address and words never show in a repr, and so in no log line.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from prefsvc.address import Address
from prefsvc.intent import CHARS_MAX, Decision, WrongNumber, decide, is_yes
from prefsvc.sms.network import channel_of

Provider = Literal["telnyx", "twilio"]
OptOutType = Literal["STOP", "START", "HELP"]

BODY_CHARS_MAX: Final = 4096
FIELD_CHARS_MAX: Final = 256
_NAME_CHARS_MAX: Final = 64
_NAMES_MAX: Final = 64

# PostgreSQL stores neither.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """One message from a person to a brand.

    `sender_pool` is what the provider calls the set of numbers it came in by, and `sent_at` the
    moment that it gives; None where it gives none. `opt_out_type` is how the provider read it.
    """

    provider: Provider
    message_id: str
    account: str | None = None
    sender_pool: str | None = None
    network: str = "sms"  # MMS too; "whatsapp", "rcs" ...
    from_: str = field(repr=False)
    to: str | None
    body: str = field(repr=False)
    opt_out_type: OptOutType | None = None
    media_count: int = 0
    sent_at: datetime | None = None
    parameter_names: tuple[str, ...] = field(default=(), repr=False)

    def address(self) -> Address:
        """Return the person's number, or refuse a short code or a name, which are nobody's."""
        return Address.for_opt_out(channel_of(self.network), self.from_)

    def evidence(self) -> dict[str, str | int | list[str] | None]:
        """Return what proves the request: the words, and how they came.

        The person's address is not in it: it is kept once, where erasure finds it.
        """
        return {
            "provider": self.provider,
            "message_id": self.message_id,
            "account": self.account,
            "sender_pool": self.sender_pool,
            "network": self.network,
            "to": self.to,
            "body": self.body,
            "opt_out_type": self.opt_out_type,
            "media_count": self.media_count,
            "parameter_names": list(self.parameter_names),
        }


def intent(message: InboundMessage, *, wrong_number: WrongNumber = "ask") -> Decision:
    """Return what the message asks for; the provider's word wins over our reading (S-12).

    Two things are stronger than the provider's word, because a brand sets the words behind it:
    a request to stop revokes by law, whatever its words were set to mean (S-13), and YES starts
    nothing (S-14). `wrong_number` is what "you have the wrong number" asks of this brand.
    """
    ours = _reading(message.body, wrong_number)
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


def _reading(body: str, wrong_number: WrongNumber) -> Decision:
    """Read the body; of one that is longer than any text message, its end, too."""
    ours = decide(body, wrong_number=wrong_number)
    if ours.intent == "stop" or len(body) <= CHARS_MAX:
        return ours
    end = decide(body[-CHARS_MAX:], wrong_number=wrong_number)
    return end if end.intent == "stop" or (end.intent == "ask" and ours.intent == "none") else ours


def body_of(texts: Iterable[str]) -> str:
    """Return what a person wrote as it is kept: of a very long text its beginning and its end.

    More than one text in one message is nothing that a provider sends; each may be the STOP.
    """
    text = "\n".join(dict.fromkeys(texts))
    if len(text) > BODY_CHARS_MAX:
        half = BODY_CHARS_MAX // 2
        text = f"{text.strip()[:half]}\n{text.strip()[1 - half :]}"
    return storable(text, BODY_CHARS_MAX)


def storable(text: str, chars_max: int) -> str:
    """Return the text as a database can keep it, cut to so many characters."""
    return _UNSTORABLE.sub("\ufffd", text[:chars_max])


def names_of(parameters: Iterable[str]) -> tuple[str, ...]:
    """Return the names alone: their values (a city, a profile's name) prove nothing."""
    names = sorted({storable(name, _NAME_CHARS_MAX) for name in parameters})
    return tuple(names[:_NAMES_MAX])
