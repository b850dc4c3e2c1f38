"""What comes of a mail, whichever way it arrived: an opt-out, a complaint, a bounce, a doubt.

It is durable when `take` returns; whatever it raises lets the sender try again. A mail that comes
twice is known by its Message-ID and changes nothing the second time.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Final

import structlog

from prefsvc import metrics
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.errors import InvalidToken, UnknownBrand, UnknownMailbox
from prefsvc.evidence import Evidence
from prefsvc.following import Followed, follow
from prefsvc.intent import Decision
from prefsvc.mail.reading import Outcome, Reading, read
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.suppression import Reason, Scope

log = structlog.get_logger()

_REASONS: Final[dict[Outcome, Reason]] = {
    "opt_out": "opt_out",
    "complaint": "complaint",
    "undeliverable": "undeliverable",
}
_SOURCES: Final[dict[Outcome, str]] = {"complaint": "complaint", "undeliverable": "bounce"}


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail as it was handed over, for one of its recipients; who it is about never shows."""

    raw: bytes = field(repr=False)
    recipient: str = field(repr=False)
    mail_from: str = field(repr=False)
    host: str


def is_ours(service: Service, address: str) -> bool:
    """Say whether mail to this address is for one of the brands: by its token, or its domain."""
    try:
        service.book.keyring.candidates(token_of(address) or "")
    except InvalidToken:
        return domain_of(address) in service.book.by_domain
    return True
