"""What every door shares: its service, reading a body within limits, recording acts."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from aiohttp import web

from prefsvc import api_keys, brands, metrics, opt_outs, reviews, senders, texts
from prefsvc.api_keys import Caller
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.callers import Callers
from prefsvc.checks import Checks
from prefsvc.db.connection import Database, Tx
from prefsvc.errors import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidApiKey,
    UnknownBrand,
    UnreadableBody,
)
from prefsvc.installation import Installation
from prefsvc.obligations import Obligations
from prefsvc.opt_outs import Act, Recorded
from prefsvc.reviews import Answer, Doubt, Review, Said
from prefsvc.settings import Settings
from prefsvc.suppression import UNORDERED_START
from prefsvc.text_order import Moments
from prefsvc.texts import Heard, Undecided, Word
from prefsvc.vault import Vault


@dataclass(slots=True)
class Bell:
    """Rings when a brand's feed has grown, so that waiting polls look at once."""

    _events: dict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    waiters: int = 0
    rung: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every ring, for a loop that serves every brand; the loop clears it."""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """The same, for the loop that tells Twilio."""

    def ring(self, brand_id: int) -> None:
        """Wake those who wait for this brand."""
        self._events.pop(brand_id, asyncio.Event()).set()
        self.rung.set()
        self.told.set()

    def ring_all(self) -> None:
        """Wake everybody: the service is stopping."""
        for brand_id in list(self._events):
            self.ring(brand_id)
        self.rung.set()
        self.told.set()

    async def wait(self, brand_id: int, *, timeout_seconds: float) -> None:
        """Wait for a ring, at most this long."""
        try:
            await asyncio.wait_for(self._events[brand_id].wait(), timeout_seconds)
        except TimeoutError:
            return


@dataclass(slots=True)
class Service:
    """Everything a handler may take from the application."""

    settings: Settings
    database: Database
    vault: Vault
    installation: Installation
    book: BrandBook
    book_version: str | None = None
    obligations: Obligations = field(default_factory=Obligations)
    bell: Bell = field(default_factory=Bell)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    enqueued: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a delivery was committed here, so that the loop that sends them looks at once."""
    callers: Callers = field(init=False)
    checks: Checks = field(init=False)
    snapshots: asyncio.Semaphore = field(init=False)
    mails: asyncio.Semaphore = field(init=False)
    reports: asyncio.Semaphore = field(init=False)
    reports_of: defaultdict[UUID, asyncio.Semaphore] = field(init=False)
    """By sender."""

    def __post_init__(self) -> None:
        """Make what depends on the settings."""
        self.callers = Callers(
            self.settings.api_key_trusted_seconds, self.settings.api_keys_remembered_max
        )
        self.checks = Checks(self.database, self.settings.check_statements_at_once_max)
        self.mails = asyncio.Semaphore(self.settings.mails_read_at_once_max)
        self.snapshots = asyncio.Semaphore(self.settings.snapshots_at_once_max)
        self.reports = asyncio.Semaphore(self.settings.sends_at_once_max)
        self.reports_of = defaultdict(lambda: asyncio.Semaphore(self.settings.sends_per_sender_max))

    def now(self) -> datetime:
        """Return the moment now, by the database's clock."""
        return self.database.clock()

    def stop(self) -> None:
        """Begin to stop: wake everything that waits."""
        self.stopping.set()
        self.enqueued.set()
        self.bell.ring_all()

    async def refresh_book(self) -> None:
        """Read the brands again, if any was applied or retired since."""
        async with self.database.read() as tx:
            version = await brands.version(tx)
            if version != self.book_version:
                self.book = await brands.load(tx, self.vault.token_masters)
                self.book_version = version

    async def brand(self, slug: str) -> AppliedBrand:
        """Return a brand, looking again for one that was applied a moment ago."""
        try:
            return self.book.get(slug)
        except UnknownBrand:
            await self.refresh_book()
            return self.book.get(slug)

    async def caller(self, presented: str) -> Caller:
        """Return whose key this is, from memory where it was looked up a moment ago."""
        if known := self.callers.trusted(presented):
            return known
        asked_at = self.callers.clock()
        try:
            async with self.database.look() as tx:
                caller = await api_keys.identify(tx, presented)
        except InvalidApiKey:
            self.callers.drop(presented)
            raise
        self.callers.note(presented, caller, asked_at=asked_at)
        return caller

    async def revoke_key(self, api_key_id: str) -> None:
        """Revoke a key: here at once, in other processes as soon as they ask again."""
        async with self.database.transaction() as tx:
            await api_keys.revoke(tx, api_key_id)
        self.callers.forget()

    async def retire_sender(self, brand: AppliedBrand, slug: str) -> None:
        """Retire a sender, whose keys stop working as a revoked one does."""
        async with self.database.transaction() as tx:
            await senders.retire(tx, brand, slug)
        self.callers.forget()

    @asynccontextmanager
    async def writing(self, *written: AppliedBrand) -> AsyncIterator[Tx]:
        """Open a transaction; once it is committed, wake those who wait for these brands."""
        async with self.database.transaction() as tx:
            yield tx
        for brand in written:
            self.bell.ring(brand.brand_id)

    async def record(self, acts: Sequence[Act]) -> list[Recorded]:
        """Record opt-outs in a transaction of their own; they are durable when this returns."""
        async with self.writing(*{act.brand.brand_id: act.brand for act in acts}.values()) as tx:
            recorded = await opt_outs.record(tx, self.vault, acts)
        count(acts, recorded)
        return recorded

    async def withdraw(self, acts: Sequence[Act]) -> list[Recorded]:
        """Record opt-ins in a transaction of their own."""
        async with self.writing(*{act.brand.brand_id: act.brand for act in acts}.values()) as tx:
            return await opt_outs.withdraw(tx, self.vault, acts)

    async def hear(self, word: Word) -> Heard | Undecided:
        """Record a STOP or START by text, unless more must be known; durable once it is heard."""
        async with self.writing(word.act.brand) as tx:
            heard = await texts.hear(tx, self.vault, word, within=self.settings.text_order)
        if isinstance(heard, Heard):
            _count_heard(heard)
        return heard

    async def settle(self, word: Word, moments: Moments) -> Heard:
        """Record it with what the provider told; durable when this returns."""
        within = self.settings.text_order
        async with self.writing(word.act.brand) as tx:
            heard = await texts.settle(tx, self.vault, word, moments, within=within)
        _count_heard(heard)
        return heard

    async def ask(self, doubt: Doubt) -> None:
        """Open the review of a doubtful reply; it is durable when this returns."""
        async with self.writing(doubt.brand) as tx:
            said = await reviews.open_review(tx, self.vault, doubt)
        _count_said(said)

    async def decide(self, brand: AppliedBrand, review_id: UUID, answer: Answer) -> Review:
        """Decide a review in a transaction of its own."""
        async with self.writing(brand) as tx:
            review, said = await reviews.decide(tx, self.vault, brand, review_id, answer)
        _count_said(said)
        return review


SERVICE = web.AppKey("SERVICE", Service)


def count(acts: Sequence[Act], recorded: Sequence[Recorded]) -> None:
    """Count what was recorded, once it is committed."""
    for act, made in zip(acts, recorded, strict=True):
        metrics.OPT_OUTS.labels(act.recipient.channel, act.source, str(made.is_new).lower()).inc()


def _count_heard(heard: Heard) -> None:
    if not (heard.act and heard.recorded):
        return
    if heard.kind == "opt_out":
        count([heard.act], [heard.recorded])
    elif heard.act.source == UNORDERED_START:
        metrics.UNORDERED_STARTS.labels(heard.act.brand.slug).inc()


def _count_said(said: Said | None) -> None:
    if said:
        count([said.act], [said.recorded])


def only_header(request: web.Request, name: str) -> str | None:
    """Return a header that came once; of several, nobody can say which one the caller sent."""
    values = request.headers.getall(name, [])
    return values[0] if len(values) == 1 else None


async def read_body(request: web.Request, *, bytes_max: int, timeout_seconds: float) -> bytes:
    """Read a body within its limits of size and time, or refuse it."""
    if (request.content_length or 0) > bytes_max:
        raise BodyTooLarge(f"The body is larger than {bytes_max} bytes; send less at once.")
    try:
        async with _patience(request, timeout_seconds):
            body = await _read(request, bytes_max + 1)
    except TimeoutError:
        raise BodyTooSlow from None
    except (web.RequestPayloadError, ValueError):
        # A content encoding that does not decode, or a connection that broke off.
        raise UnreadableBody from None
    if len(body) > bytes_max:
        raise BodyTooLarge(f"The body is larger than {bytes_max} bytes; send less at once.")
    return body


async def read_some(
    request: web.Request, *, bytes_max: int, timeout_seconds: float
) -> bytes | None:
    """Read what there is of a body that is not needed; None if it is unreadable."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read(request, bytes_max)
    except (TimeoutError, web.RequestPayloadError, ValueError, ConnectionError):
        return None


def _patience(request: web.Request, seconds: float) -> asyncio.Timeout:
    """Limit how long a body may take; most arrived whole with their heads, and need no timer."""
    return asyncio.timeout(None if request.content.is_eof() else seconds)


async def _read(request: web.Request, bytes_max: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < bytes_max:
        chunk = await request.content.read(bytes_max - len(chunks))
        if not chunk:
            break
        chunks += chunk
    return bytes(chunks)
