"""Messages of Amazon SNS as it posts them: what is signed, and where its certificate may be.

Pure: asking SNS for the certificate, and confirming, is `sns_door`'s. The addresses in a message
are only followed to SNS itself, in the region of the topic that the brand's file names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, Self, get_args
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from prefsvc.errors import InvalidBody
from prefsvc.mail_events.fields import decoded, moment

SnsType = Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
_TYPES: Final[dict[str, SnsType]] = {one: one for one in get_args(SnsType)}

# What is signed, in this order, as far as it is there (AWS, "Verifying the signatures").
_SIGNED_OF_NOTIFICATION: Final = (
    "Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type",
)  # fmt: skip
_SIGNED_OF_CONFIRMATION: Final = (
    "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
)  # fmt: skip
_CERTIFICATE_PATH: Final = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
_URL_LENGTH_MAX: Final = 2048


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """One message; its text never shows in a repr."""

    type: SnsType
    texts: Mapping[str, str] = field(repr=False)

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a post, or refuse what is no message of SNS."""
        document = decoded(body)
        found = document if isinstance(document, dict) else {}
        texts = {name: value for name, value in found.items() if isinstance(value, str)}
        kind = _TYPES.get(texts.get("Type", ""))
        if kind is None:
            raise InvalidBody("The body is no message of Amazon SNS; leave raw delivery off.")
        return cls(kind, texts)

    def text(self, name: str) -> str:
        """Return one of its texts; empty where it lacks it."""
        return self.texts.get(name, "")

    @property
    def signed(self) -> bytes:
        """Return what its signature is over."""
        is_notification = self.type == "Notification"
        names = _SIGNED_OF_NOTIFICATION if is_notification else _SIGNED_OF_CONFIRMATION
        parts = (f"{name}\n{self.texts[name]}\n" for name in names if name in self.texts)
        return "".join(parts).encode(errors="replace")

    def certificate_url(self, region: str) -> str | None:
        """Return where its certificate is; None where that is not SNS in this region."""
        url = self.text("SigningCertURL")
        is_right = _is_of_sns(url, region) and _CERTIFICATE_PATH.fullmatch(urlsplit(url).path)
        return url if is_right and not urlsplit(url).query else None

    def subscribe_url(self, region: str, topic: str) -> str | None:
        """Return what confirms the subscription to this topic; None where it does anything else."""
        url = self.text("SubscribeURL")
        if not _is_of_sns(url, region) or urlsplit(url).path not in {"", "/"}:
            return None
        asked = parse_qs(urlsplit(url).query)
        is_right = asked.get("Action") == ["ConfirmSubscription"] and asked.get("TopicArn") == [
            topic
        ]
        return url if is_right else None


def _is_of_sns(url: str, region: str) -> bool:
    if len(url) > _URL_LENGTH_MAX or not re.fullmatch(r"[!-~]+", url) or "\\" in url:
        return False
    host = f"sns.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    # The whole authority: no user, no port, nothing that looks like the host and is not.
    return bool(region) and url.startswith((f"https://{host}/", f"https://{host}?"))


def certificate_of(pem: bytes) -> Certificate | None:
    """Read a certificate; None where it is none, or its key is of a kind that nobody knows."""
    try:
        certificate = load_pem_x509_certificate(pem)
        certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return certificate


def is_of_its_time(certificate: Certificate, timestamp: str) -> bool:
    """Say whether the certificate was valid when the message was signed.

    Not whether it is now: a message that waited in a dead-letter queue is told all the same.
    """
    at = moment(timestamp) or datetime.min.replace(tzinfo=UTC)
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
