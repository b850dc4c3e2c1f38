"""What comes of a mail, whichever way it arrived: an opt-out, a complaint, a bounce, a doubt.

It is durable when `take` returns; whatever it raises lets the sender try again. A mail that comes
twice is known (prefsvc/mail/identity.py) and changes nothing the second time. Who wrote cannot be
sure, for a sender is easily forged: the safe error is to suppress (RULES E-34). What nobody vouches
for is marked as such, so that it can be taken back where it was a forgery (prefsvc/forgeries.py).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog
from msgspec import structs

from prefsvc import metrics
from prefsvc.brands import AppliedBrand
from prefsvc.db.away import AWAY
from prefsvc.doors import Service
from prefsvc.errors import InvalidToken
from prefsvc.following import follow
from prefsvc.mail.answering import letter
from prefsvc.mail.reading import Reading, read_message
from prefsvc.mail.trust import UNSIGNED, hear
from prefsvc.mailbox.authenticating import Came, Trust, trust
from prefsvc.mailbox.making import (
    MEANINGS,
    Arrived,
    Found,
    Meaning,
    Named,
    act_of,
    doubt_of,
    evidence_of,
    recipient_of,
)
from prefsvc.mailbox.ours import brand_at
from prefsvc.opt_outs import Act
from prefsvc.reviews import Doubt
from prefsvc.spool import spooled
from prefsvc.token import ShortToken

log = structlog.get_logger()


async def take(service: Service, arrived: Arrived, brand: AppliedBrand | None = None) -> Reading:
    """Read a mail and record what it says; `brand` is whose it is, where its door knows."""
    brand = brand or brand_at(service, arrived.recipient)
    async with service.mails:
        # In a thread, for a large mail takes a while, and clicks do not wait for it.
        found = await asyncio.to_thread(_read, service, arrived, brand)
    try:
        named = await _named(service, brand, found.reading)
    except AWAY:
        if (link := _short_link(service, found.reading)) is None:
            raise
        found = await _keep(service, arrived, found, link)
        count = 1
    else:
        found = await _acted_on(service, arrived, found, named) if named else found
        count = len(named)
    metrics.MAILS.labels(found.reading.outcome).inc()
    log.info("mail", outcome=found.reading.outcome, why=found.reading.why, named=count)
    return found.reading


async def _acted_on(
    service: Service, arrived: Arrived, found: Found, named: Sequence[Named]
) -> Found:
    """Record what a mail says of these, as far as it is believed; return it as it is believed."""
    by_token = named[0].by == "token"
    found, known = await _believed(service, arrived, found, by_token=by_token)
    await _record(service, arrived, found, known, [] if found.is_ignored else named)
    return found


async def _keep(service: Service, arrived: Arrived, found: Found, link: ShortToken) -> Found:
    """Keep what a mail asks for by a short link, of which only the database knows whose it is.

    Raises ConnectionError where somebody has to look at it first: then it is to be sent again.
    """
    found, known = await _believed(service, arrived, found, by_token=True)
    if found.is_ignored:
        return found
    meaning = MEANINGS.get(found.reading.outcome)
    if meaning is None:
        raise ConnectionError
    now, is_opt_out = service.now(), meaning.reason == "opt_out"
    press = spooled.press(
        link,
        "mailbox" if is_opt_out else meaning.source,
        evidence_of(service, arrived, found, known, by="token"),
        now,
        scope=None if is_opt_out else meaning.scope,
    )
    received_at = arrived.received_at or now
    press = structs.replace(
        press, reason=meaning.reason, mail=found.identity, received_at=received_at
    )
    await service.spool.keep(press, now)
    return found


async def _believed(
    service: Service, arrived: Arrived, found: Found, *, by_token: bool
) -> tuple[Found, Trust]:
    """Find out who vouches for a mail, and return what was read as far as it is believed."""
    mail = arrived.mail
    came = Came(mail.raw, mail.message, arrived.reverse_path, arrived.provenance)
    known = await trust(service, came, arrived.host)
    heard = await asyncio.to_thread(_heard, service, arrived, found, known, by_token=by_token)
    return heard, known


def _heard(
    service: Service, arrived: Arrived, found: Found, trust: Trust, *, by_token: bool
) -> Found:
    """Return what was read as far as it is believed: a report must show that it is no forgery."""
    signers = service.settings.mail_complaint_domains
    how = hear(found.reading, arrived.mail.message, trust.known, signers=signers, by_token=by_token)
    if how == "heard":
        return found
    return replace(found, reading=replace(found.reading, outcome=how, why=UNSIGNED))


async def _record(
    service: Service, arrived: Arrived, found: Found, trust: Trust, named: Sequence[Named]
) -> None:
    acts: list[Act] = []
    doubts: list[Doubt] = []
    for one in named:
        evidence = evidence_of(service, arrived, found, trust, by=one.by)
        if found.reading.outcome == "ask" or one.by == "words":
            doubts.append(doubt_of(arrived, found, one, evidence))
        else:
            acts.append(act_of(service, arrived, found, one, evidence))
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


def _read(service: Service, arrived: Arrived, brand: AppliedBrand | None) -> Found:
    mail = arrived.mail
    reading = read_message(
        mail.message,
        recipients=(arrived.recipient,),
        mailboxes=brand.brand.mail.unsubscribe if brand else (),
        keyring=service.book.keyring,
        reverse_path=arrived.reverse_path,
    )
    if reading.outcome not in {"opt_out", "ask"}:
        return Found(reading, mail.identity)  # what a program wrote is nobody's words
    may_be_answered = letter(mail.message, arrived.reverse_path)
    return Found(
        reading, mail.identity, mail.message.words("subject"), mail.own_words, may_be_answered
    )


async def _named(service: Service, brand: AppliedBrand | None, reading: Reading) -> Sequence[Named]:
    """Find everybody whom the mail is about, each once."""
    if reading.outcome == "ignored":
        return []
    meaning = MEANINGS.get(reading.outcome, MEANINGS["opt_out"])
    if by_token := await _named_by_token(service, reading, meaning):
        return [by_token]
    if brand is None:  # a token without its row, at a domain of nobody's
        return []
    # Whom the person's words name besides, somebody looks at; a report's names are all its own.
    others = "report" if reading.outcome == "undeliverable" else "words"
    return [
        Named(brand, recipient, meaning.scope, "sender" if text == reading.address else others)
        for text in dict.fromkeys(filter(None, [reading.address, *reading.others]))
        if (recipient := recipient_of(service, text))
    ]


async def _named_by_token(service: Service, reading: Reading, meaning: Meaning) -> Named | None:
    for token in reading.tokens:
        try:
            followed = await follow(service, token)
        except InvalidToken:
            continue  # authentic, but the row it names is gone
        is_opt_out = meaning.reason == "opt_out"
        scope = followed.scope if is_opt_out else meaning.scope
        return Named(followed.brand, followed.recipient, scope, "token", followed.language)
    return None


def _short_link(service: Service, reading: Reading) -> ShortToken | None:
    """Return the first short link that a mail names."""
    every = (one for token in reading.tokens for one in service.book.keyring.candidates(token))
    return next((one for one in every if isinstance(one, ShortToken)), None)
