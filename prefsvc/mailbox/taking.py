"""What comes of a mail, whichever way it arrived: an opt-out, a complaint, a bounce, a doubt.

It is durable when `take` returns; whatever it raises lets the sender try again. A mail that comes
twice is known (prefsvc/mail/identity.py) and changes nothing the second time. Who wrote cannot be
sure, for a sender is easily forged: the safe error is to suppress (RULES E-34). What nobody vouches
for is marked as such, so that it can be taken back where it was a forgery (prefsvc/forgeries.py).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog

from prefsvc import metrics
from prefsvc.address import Address
from prefsvc.brands import AppliedBrand
from prefsvc.doors import Service
from prefsvc.errors import InvalidAddress, InvalidToken
from prefsvc.evidence import Evidence
from prefsvc.following import follow
from prefsvc.intent import Decision
from prefsvc.mail.addresses import tokens_of
from prefsvc.mail.answering import Letter, letter
from prefsvc.mail.mail import Mail
from prefsvc.mail.reading import Outcome, Reading, read_message
from prefsvc.mail.trust import UNSIGNED, hear, is_proven
from prefsvc.mailbox.authenticating import Came, Provenance, Trust, trust
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from prefsvc.suppression import UNPROVEN_SOURCES, Reason, Scope

log = structlog.get_logger()


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
class _Read:
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
class _Meaning:
    """What an outcome is in the register."""

    reason: Reason
    source: str
    scope: Scope


_MEANINGS: Final[dict[Outcome, _Meaning]] = {
    "opt_out": _Meaning("opt_out", "mail_reply", Scope("channel")),
    "complaint": _Meaning("complaint", "complaint", Scope("brand")),  # E-40: all of its lists
    "undeliverable": _Meaning("undeliverable", "bounce", Scope("channel")),
}


ACTED_ON: Final = frozenset(_MEANINGS)
"""The outcomes from which acts follow; a doubt is a review, and the rest is nothing of ours."""


@dataclass(frozen=True, slots=True)
class _Named:
    """Somebody whom a mail is about, and what it says about them."""

    brand: AppliedBrand
    recipient: Recipient
    scope: Scope
    by: str
    """What names them: our own token, which nobody can forge, or an address in the mail."""
    language: str | None = None


def is_ours(service: Service, address: str) -> bool:
    """Say whether mail to this address is for one of the brands: by its token, or its domain."""
    return brand_at(service, address) is not None or has_token(service, address)


def has_token(service: Service, address: str) -> bool:
    """Say whether a token of ours is in the address, whatever its domain."""
    return any(any(service.book.keyring.candidates(token)) for token in tokens_of([address]))


def brand_at(service: Service, address: str) -> AppliedBrand | None:
    """Return the brand whose domain an address is at."""
    return service.book.by_domain.get(address.rpartition("@")[2].lower().rstrip("."))


async def take(service: Service, arrived: Arrived, brand: AppliedBrand | None = None) -> Reading:
    """Read a mail and record what it says; `brand` is whose it is, where its door knows."""
    brand = brand or brand_at(service, arrived.recipient)
    async with service.mails:
        # In a thread, for a large mail takes a while, and clicks do not wait for it.
        found = await asyncio.to_thread(_read, service, arrived, brand)
    reading = found.reading
    named = await _named(service, brand, reading)
    if named:
        mail = arrived.mail
        came = Came(mail.raw, mail.message, arrived.reverse_path, arrived.provenance)
        known = await trust(service, came, arrived.host)
        by_token = named[0].by == "token"
        found = await asyncio.to_thread(_heard, service, arrived, found, known, by_token=by_token)
        await _record(service, arrived, found, known, [] if found.is_ignored else named)
    metrics.MAILS.labels(found.reading.outcome).inc()
    log.info("mail", outcome=found.reading.outcome, why=found.reading.why, named=len(named))
    return found.reading


def _heard(
    service: Service, arrived: Arrived, found: _Read, trust: Trust, *, by_token: bool
) -> _Read:
    """Return what was read as far as it is believed: a report must show that it is no forgery."""
    signers = service.settings.mail_complaint_domains
    how = hear(found.reading, arrived.mail.message, trust.known, signers=signers, by_token=by_token)
    if how == "heard":
        return found
    return replace(found, reading=replace(found.reading, outcome=how, why=UNSIGNED))


async def _record(
    service: Service, arrived: Arrived, found: _Read, trust: Trust, named: Sequence[_Named]
) -> None:
    acts: list[Act] = []
    doubts: list[Doubt] = []
    for one in named:
        evidence = _evidence(service, arrived, found, trust, one)
        if found.reading.outcome == "ask" or one.by == "words":
            doubts.append(_doubt(found, one, evidence))
        else:
            acts.append(_act(service, arrived, found, one, evidence))
    recorded = await service.record(acts) if acts else []
    for doubt in doubts:
        await service.ask(doubt)
    new = [act for act, made in zip(acts, recorded, strict=True) if made.is_new]
    _count(service, trust, [*new, *doubts])


def _count(service: Service, trust: Trust, removals: Sequence[Act | Doubt]) -> None:
    """Count from where removals came that nobody vouches for."""
    for one in removals:
        if not one.evidence["authenticated"]:
            for origin in trust.origins:
                service.origins.add(one.brand.brand_id, origin, service.now())


def _read(service: Service, arrived: Arrived, brand: AppliedBrand | None) -> _Read:
    mail = arrived.mail
    reading = read_message(
        mail.message,
        recipients=(arrived.recipient,),
        mailboxes=brand.brand.mail.unsubscribe if brand else (),
        keyring=service.book.keyring,
        reverse_path=arrived.reverse_path,
    )
    if reading.outcome not in {"opt_out", "ask"}:
        return _Read(reading, mail.identity)  # what a program wrote is nobody's words
    may_be_answered = letter(mail.message, arrived.reverse_path)
    return _Read(
        reading, mail.identity, mail.message.words("subject"), mail.own_words, may_be_answered
    )


async def _named(
    service: Service, brand: AppliedBrand | None, reading: Reading
) -> Sequence[_Named]:
    """Find everybody whom the mail is about, each once."""
    if reading.outcome == "ignored":
        return []
    meaning = _MEANINGS.get(reading.outcome, _MEANINGS["opt_out"])
    if by_token := await _named_by_token(service, reading, meaning):
        return [by_token]
    if brand is None:  # a token without its row, at a domain of nobody's
        return []
    # Whom the person's words name besides, somebody looks at; a report's names are all its own.
    others = "report" if reading.outcome == "undeliverable" else "words"
    return [
        _Named(brand, recipient, meaning.scope, "sender" if text == reading.address else others)
        for text in dict.fromkeys(filter(None, [reading.address, *reading.others]))
        if (recipient := _recipient(service, text))
    ]


async def _named_by_token(service: Service, reading: Reading, meaning: _Meaning) -> _Named | None:
    for token in reading.tokens:
        try:
            followed = await follow(service, token)
        except InvalidToken:
            continue  # authentic, but the row it names is gone
        is_opt_out = meaning.reason == "opt_out"
        scope = followed.scope if is_opt_out else meaning.scope
        return _Named(followed.brand, followed.recipient, scope, "token", followed.language)
    return None


def _recipient(service: Service, text: str) -> Recipient | None:
    try:
        return Recipient.of(Address.for_opt_out("email", text), service.vault)
    except InvalidAddress:
        return None


def _act(
    service: Service, arrived: Arrived, found: _Read, named: _Named, evidence: Evidence
) -> Act:
    meaning = _MEANINGS[found.reading.outcome]
    # One mail may speak of several people, and in several tokens of several topics of one.
    what = f"{found.reading.outcome}:{named.scope.kind}:{named.scope.topic}"
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
        idempotency_key=f"mail:{found.identity}:{named.recipient.address_key.hex()}:{what}",
        letter=_to_answer(service, arrived, found, named) if meaning.reason == "opt_out" else None,
    )


def _to_answer(service: Service, arrived: Arrived, found: _Read, named: _Named) -> Letter | None:
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
    author = _recipient(service, path)
    if is_own or author != named.recipient or not service.settings.has_mail_server:
        return None
    return replace(written, languages=(*filter(None, [named.language]), *written.languages))


def _doubt(found: _Read, named: _Named, evidence: Evidence) -> Doubt:
    reading = found.reading
    return Doubt(
        named.brand,
        named.recipient,
        f"mail:{found.identity}",
        Decision("ask", reading.rule or reading.why, reading.scope),
        evidence,
        named.scope,
        is_hearsay=reading.why == UNSIGNED,
    )


def _evidence(
    service: Service, arrived: Arrived, found: _Read, trust: Trust, named: _Named
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
        "named_by": named.by,
        "authenticated": is_proven(named.by, reading, trust.known, signers),
        "authentication": trust.known.to_document(),
    }
