"""What a mail is in the register, once it is known whom it is about: acts, doubts, evidence."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from prefsvc.address import Address
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.errors import InvalidAddress
from prefsvc.evidence import Evidence
from prefsvc.intent import Decision
from prefsvc.mail.answering import Letter
from prefsvc.mail.identity import idempotency_key
from prefsvc.mail.mail import Mail
from prefsvc.mail.reading import Outcome, Reading
from prefsvc.mail.trust import UNSIGNED, is_proven
from prefsvc.mailbox.authenticating import Provenance, Trust
from prefsvc.mailbox.ours import is_ours
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.suppression import UNPROVEN_SOURCES, Reason, Scope


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail as it was handed over for one recipient; `host` is who handed it over."""

    mail: Mail
    recipient: str = field(repr=False)
    host: str
    reverse_path: str | None = field(default=None, repr=False)
    """The envelope's sender: "" is the null one, None where there was no envelope."""
    provenance: Provenance = field(default_factory=Provenance)
    """How it came; the same one for each of its recipients."""
    received_at: datetime | None = None
    """When it reached the company, where it has waited since then."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was read, and the person's own words, for whoever has to look at them."""

    reading: Reading
    identity: str
    subject: str = ""
    words: str = ""
    letter: Letter | None = None

    @property
    def is_ignored(self) -> bool:
        """Say whether nothing follows from it."""
        return self.reading.outcome == "ignored"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an outcome is in the register."""

    reason: Reason
    source: str
    scope: Scope


MEANINGS: Final[dict[Outcome, Meaning]] = {
    "opt_out": Meaning("opt_out", "mail_reply", Scope("channel")),
    "complaint": Meaning("complaint", "complaint", Scope("brand")),  # E-40: all of its lists
    "undeliverable": Meaning("undeliverable", "bounce", Scope("channel")),
}


ACTED_ON: Final = frozenset(MEANINGS)
"""The outcomes from which acts follow; a doubt is a review, and the rest is nothing of ours."""


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody whom a mail is about, and what it says about them."""

    brand: AppliedBrand
    recipient: Recipient
    scope: Scope
    by: str
    """What names them: our own token, which nobody can forge, or an address in the mail."""
    language: str | None = None


def act_of(
    service: Service, arrived: Arrived, found: Found, named: Named, evidence: Evidence
) -> Act:
    """Return what is to be recorded of somebody whom a mail names."""
    meaning = MEANINGS[found.reading.outcome]
    source = meaning.source
    if not evidence["authenticated"]:
        source = UNPROVEN_SOURCES[source]
    elif named.by == "token" and meaning.reason == "opt_out":
        source = "mailbox"
    return Act(
        named.brand,
        named.recipient,
        named.scope,
        source,
        evidence,
        reason=meaning.reason,
        received_at=arrived.received_at,
        idempotency_key=idempotency_key(
            found.identity, named.recipient.address_key, meaning.reason, named.scope
        ),
        letter=None
        if meaning.reason != "opt_out" or _may_be_forged(service, evidence)
        else _to_answer(service, arrived, found, named),
    )


def _may_be_forged(service: Service, evidence: Evidence) -> bool:
    """Say whether who vouches for mail was looked for, and nobody does: no stranger is answered."""
    return service.settings.mail_authentication != "off" and not evidence["authenticated"]


def _to_answer(service: Service, arrived: Arrived, found: Found, named: Named) -> Letter | None:
    """Return the letter if its author is to have a receipt.

    Only where the envelope's sender is the very address that was opted out: an answer to a forged
    one would reach somebody of whom the mail says nothing. And never one of our own addresses, nor
    to a mail that lay in a mailbox for so long that nobody waits for an answer.
    """
    written, brand = found.letter, named.brand
    if arrived.received_at and service.now() - arrived.received_at > service.settings.receipt_every:
        return None
    if written is None or brand.retired_at or not brand.brand.mail.has_receipts:
        return None
    path = written.return_path
    is_own = is_ours(service, path) or path == service.settings.mail_from.lower()
    author = recipient_of(service, path)
    if is_own or author != named.recipient or not service.settings.has_mail_server:
        return None
    return replace(written, languages=(*filter(None, [named.language]), *written.languages))


def doubt_of(arrived: Arrived, found: Found, named: Named, evidence: Evidence) -> Doubt:
    """Return what somebody has to look at."""
    reading = found.reading
    return Doubt(
        named.brand,
        named.recipient,
        f"mail:{found.identity}",
        Decision("ask", reading.rule or reading.why, reading.scope),
        evidence,
        named.scope,
        received_at=arrived.received_at,
        is_hearsay=reading.why == UNSIGNED,
    )


def evidence_of(
    service: Service, arrived: Arrived, found: Found, trust: Trust, *, by: str
) -> Evidence:
    """Return what proves it: the words, how they came and were read, and who vouches for them.

    The address is not in it: it is kept once, where erasure finds it. Neither are tokens.
    """
    reading, signers = found.reading, service.settings.mail_complaint_domains
    return {
        "mail_sha256": arrived.mail.digest,
        "handed_over_by": arrived.host,
        "origin_host": trust.host or None,
        "origin_domain": trust.domain or None,
        "why": reading.why,
        "rule": reading.rule,
        "subject": found.subject or None,
        "words": found.words or None,
        "named_by": by,
        "authenticated": is_proven(by, reading, trust.known, signers),
        "authentication": trust.known.to_document(),
    }


def recipient_of(service: Service, text: str) -> Recipient | None:
    """Return whom an address in a mail is of; None where it is no address."""
    try:
        return Recipient.of(Address.for_opt_out("email", text), service.vault)
    except InvalidAddress:
        return None
