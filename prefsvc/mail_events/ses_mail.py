"""Amazon SES: mail that it received and published to an SNS topic, whole (its SNS action)."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prefsvc.errors import InvalidBody, MailNotEnclosed
from prefsvc.mail.charsets import of_base64
from prefsvc.mail_events.fields import Fields, decoded, moment, text, within

_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]+")
"""What no mail is: that has a colon in its first line."""


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail, with what SES knows of it."""

    raw: bytes = field(repr=False)
    recipients: tuple[str, ...] = field(repr=False)
    """Of the envelope."""
    received_at: datetime | None
    spf: str
    """What came of it where SES checked it, in SES's own words; empty where it did not say."""
    dkim: str
    dmarc: str


def read_received(message: str) -> ReceivedMail | None:
    """Read a notification of a mail; None where it is of anything else.

    One that has not the mail in it is refused: what it asks for must not be lost in silence.
    """
    document = _document(message)
    if text(document, "notificationType") != "Received":
        return None
    content, receipt = document.get("content"), within(document, "receipt")
    if not isinstance(content, str) or not content.strip():
        raise MailNotEnclosed
    return ReceivedMail(
        _octets(content),
        _recipients(receipt.get("recipients")),
        moment(text(within(document, "mail"), "timestamp")),
        spf=_verdict(receipt, "spf"),
        dkim=_verdict(receipt, "dkim"),
        dmarc=_verdict(receipt, "dmarc"),
    )


def _document(message: str) -> Fields:
    try:
        document = decoded(message) if '"Received"' in message else {}
    except InvalidBody:
        return {}
    return document if isinstance(document, dict) else {}


def _octets(content: str) -> bytes:
    """Return the mail in either of the encodings that the action may be given."""
    octets = content.encode("utf-8", "surrogatepass")
    return of_base64(octets) if _BASE64.fullmatch(content) else octets


def _recipients(told: object) -> tuple[str, ...]:
    return tuple(one for one in told if isinstance(one, str)) if isinstance(told, list) else ()


def _verdict(receipt: Fields, name: str) -> str:
    return text(within(receipt, f"{name}Verdict"), "status")
