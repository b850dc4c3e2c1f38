"""What every door shares: the service, and recording acts through it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from aiohttp import web
from msgspec.structs import replace

from prefsvc import (
    api_keys,
    brands,
    metrics,
    opt_outs,
    receipts,
    reckonings,
    reviews,
    senders,
    texts,
    undoing,
)
from prefsvc.api_keys import Caller
from prefsvc.bell import Bell
from prefsvc.bounded import Deadline, within
from prefsvc.brands import AppliedBrand, BrandBook
from prefsvc.callers import Callers
from prefsvc.checks import Checks
from prefsvc.db.away import AWAY
from prefsvc.db.connection import Database, Tx
from prefsvc.errors import InvalidApiKey, UnknownBrand
from prefsvc.group_commit import GroupCommit
from prefsvc.installation import Installation
from prefsvc.obligations import Obligations
from prefsvc.opt_outs import Act, Recorded
from prefsvc.origins import Origins
from prefsvc.reviews import Answer, Doubt, Review, Said
from prefsvc.settings import Settings
from prefsvc.spool import spooled
from prefsvc.spool.items import Doubted, OptedOut, Texted
from prefsvc.spool.spool import Spool
from prefsvc.suppression import UNORDERED_START, Scope
from prefsvc.text_order import Moments
from prefsvc.texts import Heard, Undecided, Word
from prefsvc.vault import Vault

log = structlog.get_logger()

T = TypeVar("T")


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
    put_off: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What a start without the database has left to do, in order, before it is used."""
    there: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the database is used; when told to stop, too."""
    commits: GroupCommit = field(init=False)
    patience: Deadline = field(init=False)
    """How long an opt-out waits for its group, before it is kept in the spool."""
    spool: Spool = field(init=False)
    callers: Callers = field(init=False)
    checks: Checks = field(init=False)
    origins: Origins = field(default_factory=Origins)
    """Where mail that nobody vouches for came from, for the loop that looks for floods."""
    snapshots: asyncio.Semaphore = field(init=False)
    imports: asyncio.Semaphore = field(init=False)
    mails: asyncio.Semaphore = field(init=False)
    reports: asyncio.Semaphore = field(init=False)
    reports_of: defaultdict[UUID, asyncio.Semaphore] = field(init=False)
    """By sender."""

    def __post_init__(self) -> None:
        """Make what depends on the settings."""
        self.spool = Spool(
            self.settings.spool_folder,
            items_max=self.settings.spool_items_max,
            bytes_max=self.settings.spool_bytes_max,
        )
        self.commits = GroupCommit(
            self.commit,
            acts_max=self.settings.acts_per_commit_max,
            waiting_max=self.settings.acts_waiting_max,
            at_once_max=self.settings.commits_at_once_max,
        )
        self.patience = Deadline(self.settings.spool_after_seconds)
        self.callers = Callers(
            self.settings.api_key_trusted_seconds, self.settings.api_keys_remembered_max
        )
        self.checks = Checks(self.database, self.settings.check_statements_at_once_max)
        self.mails = asyncio.Semaphore(self.settings.mails_read_at_once_max)
        self.imports = asyncio.Semaphore(self.settings.imports_at_once_max)
        self.snapshots = asyncio.Semaphore(self.settings.snapshots_at_once_max)
        self.reports = asyncio.Semaphore(self.settings.sends_at_once_max)
        self.reports_of = defaultdict(lambda: asyncio.Semaphore(self.settings.sends_per_sender_max))

    def now(self) -> datetime:
        """Return the moment now, by the database's clock."""
        return self.database.clock()

    def stop(self) -> None:
        """Begin to stop: wake everything that waits."""
        self.stopping.set()
        self.there.set()
        self.enqueued.set()
        self.bell.ring_all()
        self.spool.doubt()

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
        """Return whose key this is, from memory where it was looked up a moment ago.

        While the database does not answer, one is believed that was looked up not long ago: so its
        opt-outs can be kept.
        """
        if known := self.callers.trusted(presented):
            return known
        asked_at = self.callers.clock()
        try:
            caller = await self.in_time(partial(self._caller, presented))
        except InvalidApiKey:
            self.callers.drop(presented)
            raise
        except AWAY:
            seen = self.callers.recent(presented)
            if seen and seen.age_seconds < self.settings.api_key_remembered_seconds:
                return seen.caller
            raise
        self.callers.note(presented, caller, asked_at=asked_at)
        return caller

    async def _caller(self, presented: str) -> Caller:
        async with self.database.look() as tx:
            return await api_keys.identify(tx, presented)

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
        async with self.database.transaction(by_keys=True) as tx:
            yield tx
        for brand in written:
            self.bell.ring(brand.brand_id)
        if self.database.bases.wanted:
            await self._store_bases()

    async def _store_bases(self) -> None:
        """Store what deadlines are counted by, after the opt-outs are: if it fails, later."""
        try:
            await reckonings.store_wanted(self.database)
        except Exception as error:  # noqa: BLE001 - what was written is durable, and is to be said so
            log.warning("bases_not_stored", kind=type(error).__name__)

    async def write(self, work: Callable[[Tx], Awaitable[T]], *written: AppliedBrand) -> T:
        """Do something in a transaction; once it is committed, wake those who wait."""
        async with self.writing(*written) as tx:
            return await work(tx)

    async def in_time(self, working: Callable[[], Awaitable[T]]) -> T:
        """Do something that needs the database, or find that it does not answer in time.

        Raises one of AWAY; then the loop that asks the database is told to look.
        """
        with self._asking():
            return await within(self.settings.spool_after_seconds, working())

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask the database in the block, unless it is known to be away; note if it is found so."""
        if self.spool.is_away:
            raise ConnectionError
        try:
            yield
        except AWAY:
            self.spool.doubt()
            raise

    async def record(self, acts: Sequence[Act]) -> list[Recorded]:
        """Record opt-outs, with others that come now; they are durable when this returns.

        While the database does not answer they are kept in the spool, to be recorded from there.
        """
        received_at = self.now()
        try:
            with self._asking():
                # Who waits for a group can be let go at once, unlike who asks the database.
                return await self.patience.keep(self.commits.record(arrived(acts, received_at)))
        except AWAY:
            return await self.keep(acts, received_at)

    async def keep(self, acts: Sequence[Act], received_at: datetime) -> list[Recorded]:
        """Keep opt-outs in the spool, to be recorded once the database answers."""
        kept = [spooled.to_keep(act, received_at) for act in acts]
        await self.spool.keep(OptedOut.of(kept, received_at), received_at)
        return [spooled.recorded(act, received_at) for act in kept]

    async def commit(self, acts: Sequence[Act]) -> list[Recorded]:
        """Record opt-outs in a transaction of their own, with the receipts that they have."""
        every = self.settings.receipt_every
        async with self.writing(*_brands_of(acts)) as tx:
            recorded = await opt_outs.record(tx, self.vault, acts)
            receipt_count = await receipts.enqueue(tx, self.vault, acts, recorded, every=every)
        if receipt_count:
            self.enqueued.set()
        count(acts, recorded)
        return recorded

    async def withdraw(self, acts: Sequence[Act]) -> list[Recorded]:
        """Record opt-ins in a transaction of their own."""
        async with self.writing(*_brands_of(acts)) as tx:
            return await opt_outs.withdraw(tx, self.vault, acts)

    async def undo(self, act: Act, event_id: UUID) -> Scope:
        """Take back an opt-out by the opt-in that its person has just said; return its scope."""
        async with self.writing(act.brand) as tx:
            return await undoing.undo(tx, self.vault, act, event_id)

    async def hear(self, word: Word) -> Heard | Undecided:
        """Record a STOP or START by text, unless more must be known; durable once it is heard."""
        within_, word = self.settings.text_order, self._arrived(word)
        heard = await self._hear(word, lambda tx: texts.hear(tx, self.vault, word, within=within_))
        if isinstance(heard, Heard):
            _count_heard(heard)
        return heard

    async def settle(self, word: Word, moments: Moments) -> Heard:
        """Record it with what the provider told; durable when this returns."""
        within_, word = self.settings.text_order, self._arrived(word)
        heard = await self._hear(
            word, lambda tx: texts.settle(tx, self.vault, word, moments, within=within_)
        )
        _count_heard(heard)
        return heard

    def _arrived(self, word: Word) -> Word:
        if word.kind != "opt_out":
            return word
        [act] = arrived([word.act], self.now())
        return replace(word, act=act)

    async def _hear(self, word: Word, work: Callable[[Tx], Awaitable[T]]) -> T | Heard:
        """Do it, or keep a STOP in the spool; a START is not kept, so that it is sent again."""
        received_at = self.now()
        try:
            return await self.in_time(lambda: self.write(work, word.act.brand))
        except AWAY:
            if word.kind != "opt_out":
                raise
            await self.spool.keep(Texted.of(word, received_at), received_at)
            # Whether the person was told before is not known: one confirmation at most (S-15).
            return Heard(word.kind, None)

    async def ask(self, doubt: Doubt) -> None:
        """Open the review of a doubtful reply; it is durable when this returns."""
        received_at = self.now()
        try:
            said = await self.in_time(
                lambda: self.write(
                    lambda tx: reviews.open_review(tx, self.vault, doubt), doubt.brand
                )
            )
        except AWAY:
            await self.spool.keep(Doubted.of(doubt, received_at), received_at)
        else:
            _count_said(said)

    async def decide(self, brand: AppliedBrand, review_id: UUID, answer: Answer) -> Review:
        """Decide a review in a transaction of its own."""
        async with self.writing(brand) as tx:
            review, said = await reviews.decide(tx, self.vault, brand, review_id, answer)
        _count_said(said)
        return review


SERVICE = web.AppKey("SERVICE", Service)


def _brands_of(acts: Sequence[Act]) -> list[AppliedBrand]:
    """Each brand that these acts are of, once."""
    return list({act.brand.brand_id: act.brand for act in acts}.values())


def arrived(acts: Sequence[Act], now: datetime) -> list[Act]:
    """Return opt-outs that count from now on, however long it takes until they are written down.

    A write that was given up, and whose opt-out was kept in the spool, may succeed all the same.
    """
    return [replace(act, arrived_at=now) for act in acts]


def count(acts: Sequence[Act], recorded: Sequence[Recorded]) -> None:
    """Count what was recorded, once it is committed."""
    kinds = Counter(
        (act.recipient.channel, act.source, str(made.is_new).lower())
        for act, made in zip(acts, recorded, strict=True)
    )
    for kind, times in kinds.items():
        metrics.OPT_OUTS.labels(*kind).inc(times)


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
