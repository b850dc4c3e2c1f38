"""Finding out who vouches for a mail: by what your mail server stamped on it, or by asking DNS.

Nothing here refuses a mail or holds it up for longer than DNS may take: what cannot be found out is
unknown, and the mail counts all the same.
"""

import asyncio
from collections.abc import Coroutine, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from prefsvc import metrics
from prefsvc.doors import Service
from prefsvc.mail import dkim, dmarc, spf, stamps
from prefsvc.mail.authentication import (
    NOBODY_LOOKED,
    Authentication,
    Result,
    Signature,
    author_of,
    domain_of,
)
from prefsvc.mail.dkim import Signed
from prefsvc.mail.dmarc import Published
from prefsvc.mail.message import Entity
from prefsvc.mail.spf import Answer, Envelope, Question
from prefsvc.outward.names import Names

log = structlog.get_logger()

T = TypeVar("T")

_RELATED_LABELS: Final = 2


@dataclass(slots=True)
class Provenance:
    """How a mail came, and who vouches for it: found out once, however many recipients it has.

    `peer` is the stranger's server that handed it over, where one did; `known` what another door
    was told by whoever took the mail in (Authentication.of_ses).
    """

    peer: str | None = None
    helo: str = ""
    known: Authentication | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Came:
    """A mail that is to be looked at."""

    raw: bytes = field(repr=False)
    message: Entity
    reverse_path: str | None = field(repr=False)
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Trust:
    """Who vouches for a mail, and from where it came: a host, and its author's domain."""

    known: Authentication
    host: str
    domain: str

    @property
    def origins(self) -> set[str]:
        """Return where it came from, as far as that is known."""
        return {self.host, self.domain} - {""}


async def trust(service: Service, came: Came, host: str) -> Trust:
    """Say how far a mail is to be believed that this host handed over."""
    known = await authenticate(service, came)
    return Trust(known, _source(service, came, host), domain_of(author_of(came.message)))


async def authenticate(service: Service, came: Came) -> Authentication:
    """Say who vouches for a mail; never raises for what DNS or the mail is like."""
    if came.provenance.known is None:
        came.provenance.known = await _look(service, came)
        if came.provenance.known.by != "nobody":
            metrics.MAILS_AUTHENTICATED.labels(_word(came.provenance.known)).inc()
    return came.provenance.known


def _source(service: Service, came: Came, host: str) -> str:
    """Return where a mail came from: from outside, as far as your servers tell, or who had it."""
    if came.provenance.peer:
        return came.provenance.peer
    return stamps.read(came.message, service.settings.mail_trusted_hosts).source or host


def _word(known: Authentication) -> str:
    if known.is_aligned:
        return "authenticated"
    return "unknown" if known.is_unknown else "unauthenticated"


async def _look(service: Service, came: Came) -> Authentication:
    match service.settings.mail_authentication:
        case "header":
            return stamps.authentication(came.message, service.settings.mail_trusted_hosts)
        case "check":
            return await _check(service, came)
        case _:
            return NOBODY_LOOKED


async def _check(service: Service, came: Came) -> Authentication:
    async with service.mails:
        signed = await asyncio.to_thread(dkim.read, came.raw)
    author = author_of(came.message)
    envelope = _envelope(came)
    spf_domain = envelope.domain if envelope else ""
    asked = await _asked(service, signed, domain_of(author), envelope)
    async with service.mails:
        verified = await asyncio.to_thread(_verified, signed, asked.keys, service)
    # What is signed must be what is read: two readers of a broken header may see two authors.
    passed = [one.domain for one in verified if one.result == "pass" and signed.author == author]
    is_aligned = author is not None and (
        any(asked.is_aligned(one, strict="adkim") for one in passed)
        or (asked.spf == "pass" and asked.is_aligned(spf_domain, strict="aspf"))
    )
    return Authentication(
        by="check",
        author=author,
        is_aligned=is_aligned,
        dmarc=dmarc.result(asked.author, is_aligned=is_aligned) if author else "permerror",
        spf=asked.spf,
        spf_domain=spf_domain,
        signatures=verified,
    )


def _verified(
    signed: Signed, keys: dict[str, str | None], service: Service
) -> tuple[Signature, ...]:
    now = service.now()
    return tuple(
        Signature(one.domain, dkim.verify(signed, one, keys.get(one.key_name), now))
        for one in signed.seals
    )


def _envelope(came: Came) -> Envelope | None:
    """Return what SPF is about; None where a stranger's server did not hand it over itself."""
    peer = spf.peer_of(came.provenance.peer or "")
    if peer is None or not domain_of(came.reverse_path):
        return None
    return Envelope(peer, came.reverse_path or "", came.provenance.helo)


# --- what DNS says -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """All that was asked for one mail."""

    keys: dict[str, str | None]
    spf: Result
    author: Published
    published: dict[str, Published]

    def is_aligned(self, domain: str, *, strict: str) -> bool:
        passed = self.published.get(domain, Published(domain))
        return dmarc.is_aligned(self.author, passed, strict=strict)


async def _asked(
    service: Service, signed: Signed, author_domain: str, envelope: Envelope | None
) -> _Asked:
    """Ask everything at once; what is not known in time stays unknown."""
    names = Names(service.settings)
    signers = {one.domain for one in signed.seals}
    domains = {author_domain} | {
        one
        for one in (*signers, envelope.domain if envelope else "")
        if _related(one) == _related(author_domain)
    }
    domains.discard("")
    key_names = dict.fromkeys(one.key_name for one in signed.seals)
    keys = {name: _key(names, name) for name in key_names}
    walks = {one: _run(names, dmarc.walk(one)) for one in sorted(domains)}
    sent = _run(names, spf.check(envelope)) if envelope else _nothing()
    known = await _in_time(
        [*keys.values(), *walks.values(), sent], service.settings.mail_dns_timeout_seconds
    )
    found = dict(zip(keys, known, strict=False))
    walked = dict(zip(walks, known[len(keys) :], strict=False))
    published = {one: walked[one] or Published(one, is_unknown=True) for one in walked}
    return _Asked(
        found,
        known[-1] or "temperror",
        published.get(author_domain, Published(author_domain)),
        published,
    )


def _related(domain: str) -> list[str]:
    return domain.split(".")[-_RELATED_LABELS:]


async def _nothing() -> Result:
    return "none"


async def _key(names: Names, name: str) -> str | None:
    """Return a key's record; "" where none is published."""
    texts = await names.ask(Question("TXT", name))
    return None if texts is None else next((one for one in texts if "p=" in one), "")


async def _run(names: Names, asking: Generator[Question, Answer, T]) -> T:
    answer: Answer = None
    try:
        question = next(asking)
        while True:
            answer = await names.ask(question)
            question = asking.send(answer)
    except StopIteration as done:
        value: T = done.value
        return value


def _come_of(task: asyncio.Task[Any]) -> Any:
    """Return what came of it; a fault of ours makes it unknown, and is no reason to refuse mail."""
    if not task.done():
        return None
    if (fault := task.exception()) is not None:
        log.warning("mail_not_authenticated", kind=type(fault).__name__)
        return None
    return task.result()


async def _in_time(work: Iterable[Coroutine[Any, Any, Any]], seconds: float) -> list[Any]:
    """Do all of this at once; None for what is not done in time."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks, timeout=seconds)
        return [_come_of(one) for one in tasks]
    finally:
        for one in tasks:
            one.cancel()
