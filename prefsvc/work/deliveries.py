"""Send what is due: many at once, few at one endpoint, so that a slow one holds up no other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import SystemRandom
from time import perf_counter
from typing import Final
from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidTag

from prefsvc import deliveries, endpoints, metrics, notices, told_by_notice
from prefsvc.db import queries
from prefsvc.db.connection import Json, Tx
from prefsvc.deliveries import Answer, Attempt, Delivery
from prefsvc.doors import Service
from prefsvc.endpoints import Endpoint
from prefsvc.outward import mail, receipt
from prefsvc.outward.webhook import Webhooks, webhooks
from prefsvc.work.underway import come_to_an_end

log = structlog.get_logger()

_chance: Final = SystemRandom()
_FORGOTTEN_AT_ONCE: Final = 1000  # so that no transaction is long, however much is to be forgotten


@dataclass(slots=True)
class Courier:
    """Has deliveries in hand: claims them, sends them, writes down what came of it."""

    service: Service
    webhooks: Webhooks
    underway: dict[asyncio.Task[None], UUID] = field(default_factory=dict)
    """Which attempts are being made, at which endpoints."""

    async def begin(self) -> None:
        """Claim what is due and there is room for, and begin to send it."""
        async with self.service.database.read() as tx:
            due = await endpoints.due(tx)
        await self._give_up(one.endpoint_id for one in due if one.disabled_at)
        working = [one for one in due if not one.disabled_at]
        if not working:
            return
        async with self.service.database.transaction() as tx:
            claimed = await self._claim(tx, working)
        for endpoint, delivery in claimed:
            task = asyncio.create_task(self._deliver(endpoint, delivery), name="delivery")
            self.underway[task] = endpoint.endpoint_id
            task.add_done_callback(self._ended)

    async def finish(self) -> None:
        """Let the attempts that are being made come to an end; break off those that take long.

        What is broken off is sent again, by whoever runs then.
        """
        grace_seconds = self.service.settings.shutdown_grace_seconds
        await come_to_an_end(self.underway, grace_seconds=grace_seconds)

    async def _give_up(self, disabled: Iterable[UUID]) -> None:
        # One order and a transaction each, so that two processes cannot wait for each other.
        for endpoint_id in sorted(disabled):
            async with self.service.database.transaction() as tx:
                await endpoints.give_up_disabled(tx, endpoint_id)

    async def _claim(self, tx: Tx, due: list[Endpoint]) -> list[tuple[Endpoint, Delivery]]:
        settings = self.service.settings
        room = settings.deliveries_at_once_max - len(self.underway)
        busy = Counter(self.underway.values())
        _chance.shuffle(due)  # so that where there is little room, none is always the last
        claimed: list[tuple[Endpoint, Delivery]] = []
        for endpoint in due:
            here = settings.deliveries_per_endpoint_max - busy[endpoint.endpoint_id]
            at_most = min(here, room - len(claimed))
            if at_most > 0:
                taken = await deliveries.claim(tx, settings, endpoint, at_most=at_most)
                claimed += [(endpoint, delivery) for delivery in taken]
        return claimed

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self.underway[task]
        self.service.enqueued.set()  # there is room again
        if not task.cancelled() and (error := task.exception()):
            # What was not written down is sent again when our claim runs out.
            _count_fault(error)

    async def _deliver(self, endpoint: Endpoint, delivery: Delivery) -> None:
        at, started = self.service.now(), perf_counter()
        answer = await self._send(endpoint, delivery, at)
        attempt = Attempt(at, round((perf_counter() - started) * 1000), answer)
        async with self.service.database.transaction() as tx:
            state = await deliveries.end(tx, self.service.settings, endpoint, delivery, attempt)
        metrics.DELIVERY_ATTEMPTS.labels(endpoint.kind, answer.outcome).inc()
        log.info(
            "delivery_attempt",
            delivery_id=str(delivery.delivery_id),
            endpoint_id=str(endpoint.endpoint_id),
            type=delivery.notice.type,
            outcome=answer.outcome,
            status=answer.status,
            state=state,
        )
        if state == "delivered" and delivery.notice.type == notices.CHANGED:
            # By itself: it is delivered, whatever becomes of this.
            async with self.service.database.transaction() as tx:
                await told_by_notice.note(tx, endpoint, delivery.notice.data)

    async def _send(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> Answer:
        settings = self.service.settings
        try:
            async with asyncio.timeout(settings.delivery_timeout_seconds):
                if endpoint.kind == "webhook":
                    return await self._post(endpoint, delivery, at)
                if endpoint.kind == "receipt":
                    return await self._tell(endpoint, delivery)
                return await mail.send(
                    settings,
                    mail.message(settings, endpoint.target, delivery.delivery_id, delivery.notice),
                )
        except TimeoutError:
            return Answer("timed_out")
        except Exception as error:  # noqa: BLE001 - else it would be tried for ever, uncounted
            _count_fault(error)
            return Answer("not_made")

    async def _tell(self, endpoint: Endpoint, delivery: Delivery) -> Answer:
        """Send a person the receipt of an opt-out, if there is something to tell."""
        written = await receipt.compose(self.service, endpoint.brand_id, delivery)
        if written is None:
            return Answer("lapsed")
        if not self.service.settings.has_mail_server:
            return Answer("not_connected")  # it was taken away since
        return await mail.answer(self.service.settings, written)

    async def _post(self, endpoint: Endpoint, delivery: Delivery, at: datetime) -> Answer:
        try:
            secrets = endpoints.signing_secrets(self.service.vault, endpoint, at)
        except InvalidTag:
            return Answer("not_signed")
        body = msgspec.json.encode(
            {
                "type": delivery.notice.type,
                "timestamp": delivery.notice.occurred_at,
                "data": await self._data(endpoint, delivery),
            }
        )
        name = str(delivery.delivery_id)
        return await self.webhooks.post(endpoint.target, name, at, body, secrets)

    async def _data(self, endpoint: Endpoint, delivery: Delivery) -> Json:
        if delivery.notice.type != notices.CHANGED:
            return delivery.notice.data
        async with self.service.database.read() as tx:
            return await notices.body_of(tx, self.service.vault, endpoint, delivery.notice.data)


def _count_fault(error: BaseException) -> None:
    metrics.LOOP_FAULTS.labels("deliveries").inc()
    log.error("delivery_fault", kind=type(error).__name__)


@asynccontextmanager
async def courier(service: Service) -> AsyncIterator[Courier]:
    """Open the clients that deliveries go out by; at the end, finish what is underway."""
    async with webhooks(service.settings) as clients:
        made = Courier(service, clients)
        try:
            yield made
        finally:
            await made.finish()


async def count_backlog(service: Service) -> None:
    """Count what waits and what failed, and forget what came to its end long ago."""
    before = service.now() - timedelta(days=service.settings.delivery_log_days)
    await _forget(service, before)
    async with service.database.read() as tx:
        backlog = await queries.pending_backlog(tx.conn)
        failed_count = await queries.failed_count(tx.conn)
    metrics.DELIVERIES_PENDING.set(backlog.pending_count)
    metrics.DELIVERIES_FAILED.set(failed_count)
    oldest = (service.now() - backlog.oldest_at).total_seconds() if backlog.oldest_at else 0
    metrics.DELIVERY_OLDEST.set(max(0, oldest))


async def _forget(service: Service, before: datetime) -> None:
    forgotten = _FORGOTTEN_AT_ONCE
    while forgotten == _FORGOTTEN_AT_ONCE:
        async with service.database.transaction() as tx:
            forgotten = await queries.forget_deliveries(
                tx.conn, before=before, size=_FORGOTTEN_AT_ONCE
            )
