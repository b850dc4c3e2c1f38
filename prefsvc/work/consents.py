"""Tell Twilio of opt-outs: read on in the feed, then send what the accounts' pace lets through."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from prefsvc import metrics
from prefsvc.brands import AppliedBrand
from prefsvc.consents import backlog, lanes, telling
from prefsvc.consents.answers import Answer, Unanswered
from prefsvc.consents.lanes import Target
from prefsvc.consents.telling import Batch, Outcome
from prefsvc.db import queries
from prefsvc.doors import Service
from prefsvc.outward.twilio_consents import Consents, Credentials, consents
from prefsvc.work.apart import apart
from prefsvc.work.underway import come_to_an_end

log = structlog.get_logger()

_FORGOTTEN_AT_ONCE: Final = 1000  # so that no transaction is long, however much is to be forgotten


@dataclass(slots=True)
class Teller:
    """Has requests to Twilio under way."""

    service: Service
    client: Consents
    underway: set[asyncio.Task[None]] = field(default_factory=set)
    token_numbers: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Which of an account's tokens is used: the first that Twilio has not refused."""
    mute: set[str] = field(default_factory=set)
    """Accounts of which it was said that they have no token."""

    async def begin(self) -> None:
        """Read on in the feed, and begin to send what may go out now."""
        brands = lanes.told_brands(self.service.book)
        for brand in brands:
            with apart("consents", brand=brand.slug):
                await self._read_on(brand)
        for account, told in backlog.by_account(brands).items():
            with apart("consents", account=account):
                await self._begin_request(account, told)

    async def finish(self) -> None:
        """Let the requests under way come to an end; they take seconds at the most.

        What is broken off is told again, by whoever runs then.
        """
        grace_seconds = self.service.settings.shutdown_grace_seconds
        await come_to_an_end(self.underway, grace_seconds=grace_seconds)

    async def _read_on(self, brand: AppliedBrand) -> None:
        """Read on at every target that is behind in fresh lanes, and at one in its backfill.

        So that a long history at many targets holds up nobody's new word.
        """
        async with self.service.database.read() as tx:
            behind = await lanes.behind(tx, brand)
        for target in behind.fresh:
            with apart("consents", brand=brand.slug):
                await self._advance(target, is_fresh=True)
        for target in behind.backfill:
            with apart("consents", brand=brand.slug):
                if await self._advance(target, is_fresh=False):
                    return

    async def _advance(self, target: Target, *, is_fresh: bool) -> bool:
        async with self.service.database.transaction() as tx:
            has_moved = await lanes.advance(tx, self.service.settings, target, is_fresh=is_fresh)
        if has_moved:
            self.service.bell.told.set()  # there may be more; but first the others have their turn
        return has_moved

    async def _begin_request(self, account: str, brands: Sequence[AppliedBrand]) -> None:
        tokens = self.service.vault.twilio_credentials(account)
        if not tokens:
            return self._say_mute(account, brands)
        if len(self.underway) >= self.service.settings.twilio_requests_at_once_max:
            return None
        async with self.service.database.transaction() as tx:
            batch = await telling.claim(tx, self.service.settings, account, brands)
        if batch is None:
            return None
        _count_dropped(batch)
        if batch.items:
            self._spawn(batch, tokens)
        return self._come_back(self.service.settings.twilio_request_seconds if batch.items else 0)

    def _say_mute(self, account: str, brands: Sequence[AppliedBrand]) -> None:
        # Once: how many wait is shown all the time (backlog.py), and alarmed for.
        if account not in self.mute:
            self.mute.add(account)
            slugs = [brand.slug for brand in brands]
            log.error("twilio_without_token", account=account, brands=slugs)

    def _come_back(self, seconds: float) -> None:
        """Look again when the next request may go out."""
        asyncio.get_running_loop().call_later(seconds, self.service.bell.told.set)

    def _spawn(self, batch: Batch, tokens: Sequence[str]) -> None:
        number = self.token_numbers[batch.account] % len(tokens)
        task = asyncio.create_task(
            self._request(batch, Credentials(batch.account, tokens[number]), number),
            name="consents",
        )
        self.underway.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.underway.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # What was not written down is told again when our claim runs out.
            metrics.LOOP_FAULTS.labels("consents").inc()
            log.error("twilio_fault", kind=type(error).__name__)

    async def _request(self, batch: Batch, credentials: Credentials, number: int) -> None:
        items = [item.text for item in batch.items]
        answer = await self.client.tell(credentials, items, self.service.now())
        if isinstance(answer, Unanswered) and self._has_another_token(
            batch.account, number, answer
        ):
            async with self.service.database.transaction() as tx:
                await telling.let_go(tx, batch)
            return
        async with self.service.database.transaction() as tx:
            outcome = await telling.end(tx, self.service.settings, batch, answer)
        _count(batch, answer, outcome)

    def _has_another_token(self, account: str, number: int, answer: Unanswered) -> bool:
        """Turn to the account's next token where this one was refused; say whether there is one.

        The secrets of SharedKeys stand among the tokens, and cannot be told apart.
        """
        if answer.how != "unauthorized":
            return False
        count = len(self.service.vault.twilio_credentials(account))
        if self.token_numbers[account] == number:  # and no other request has turned meanwhile
            self.token_numbers[account] = (number + 1) % count
        return number + 1 < count


@asynccontextmanager
async def teller(service: Service) -> AsyncIterator[Teller]:
    """Open the client that Twilio is told by; at the end, finish what is under way."""
    async with consents(service.settings) as client:
        made = Teller(service, client)
        try:
            yield made
        finally:
            await made.finish()


def _count_dropped(batch: Batch) -> None:
    for why in batch.dropped:
        metrics.TWILIO_ITEMS.labels(why).inc()


def _count(batch: Batch, answer: Answer, outcome: Outcome) -> None:
    how = answer.how if isinstance(answer, Unanswered) else "answered"
    metrics.TWILIO_REQUESTS.labels(batch.account, how).inc()
    for item in outcome.told:
        metrics.TWILIO_ITEMS.labels(item.status.replace("-", "_")).inc()
    metrics.TWILIO_ITEMS.labels("put_off").inc(outcome.put_off_count)
    metrics.TWILIO_ITEMS.labels("failed").inc(outcome.failed_count)
    log.info(
        "twilio_request",
        account=batch.account,
        outcome=how,
        item_count=len(batch.items),
        told_count=len(outcome.told),
        put_off_count=outcome.put_off_count,
        failed_count=outcome.failed_count,
    )


async def count_untold(service: Service) -> None:
    """Show what Twilio has not been told, and forget what failed long ago."""
    before = service.now() - timedelta(days=service.settings.twilio_failed_days)
    forgotten = _FORGOTTEN_AT_ONCE
    while forgotten == _FORGOTTEN_AT_ONCE:
        async with service.database.transaction() as tx:
            forgotten = await queries.forget_failed_consents(
                tx.conn, before=before, size=_FORGOTTEN_AT_ONCE
            )
    async with service.database.read() as tx:
        found = await backlog.accounts(tx, service.settings, service.book)
    for gauge in metrics.OF_TWILIO_ACCOUNTS:
        gauge.clear()
    for one in found:
        _show(service, one)


def _show(service: Service, one: backlog.AccountBacklog) -> None:
    now, account = service.now(), one.account.name
    for lane, waiting, through in (
        ("fresh", one.fresh, one.fresh_estimate),
        ("backfill", one.backfill, one.backfill_estimate),
    ):
        metrics.TWILIO_PENDING.labels(account, lane).set(waiting.count)
        seconds = (through.through_at - now).total_seconds() if through else 0
        metrics.TWILIO_THROUGH.labels(account, lane).set(max(0, seconds))
        misses = through is not None and through.may_miss_deadline
        metrics.TWILIO_MAY_MISS.labels(account, lane).set(misses)
    metrics.TWILIO_FAILED.labels(account).set(one.failed_count)
    oldest = (now - one.oldest_at).total_seconds() if one.oldest_at else 0
    metrics.TWILIO_OLDEST.labels(account).set(max(0, oldest))
    failing = (now - one.account.failing_since).total_seconds() if one.account.failing_since else 0
    metrics.TWILIO_FAILING.labels(account).set(max(0, failing))
    has_token = bool(service.vault.twilio_credentials(account))
    metrics.TWILIO_WITHOUT_TOKEN.labels(account).set(not has_token)
