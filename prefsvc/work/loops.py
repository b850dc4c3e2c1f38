"""Background loops: bounded rounds, each in its own transaction, until the service stops."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from prefsvc import checkpoints, installation, metrics
from prefsvc.checkpoints import Tips
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.doors import Service

log = structlog.get_logger()

Round = Callable[[], Awaitable[None]]


async def repeat(name: str, stopping: asyncio.Event, every_seconds: float, work: Round) -> None:
    """Work, wait, work again; a round that fails is counted, logged and tried again."""
    while not stopping.is_set():
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a loop that died would fail in silence
            metrics.LOOP_FAULTS.labels(name).inc()
            log.warning("loop_fault", loop=name, kind=type(error).__name__)
        try:
            await asyncio.wait_for(stopping.wait(), every_seconds)
        except TimeoutError:
            continue


def checkpointing(service: Service) -> Round:
    """Return the round that signs for what has been written since the last."""
    tips = Tips()

    async def make() -> None:
        async with service.database.transaction() as tx:
            made = await checkpoints.make(
                tx, service.vault, service.installation.installation_id, service.book, tips
            )
        metrics.CHECKPOINTS.inc(made.count)
        metrics.LEDGER_BROKEN.set(len(tips.broken))
        for bucket, brand_id in made.broken:
            log.error("ledger_broken", bucket=bucket, brand_id=brand_id)

    return make


def housekeeping(service: Service) -> Round:
    """Return the round that forgets old answers and notices a failover."""

    async def tidy() -> None:
        async with service.database.transaction() as tx:
            service.installation = await installation.recognise(tx, service.vault)
        before = service.now() - service.settings.idempotency_age
        for bucket in range(BUCKET_COUNT):
            async with service.database.transaction() as tx:
                await queries.forget_answers(tx.conn, bucket=bucket, before=before)

    return tidy


async def run(service: Service) -> None:
    """Run every loop until the service stops."""
    settings = service.settings
    async with asyncio.TaskGroup() as group:
        for name, seconds, work in (
            ("checkpoints", settings.checkpoint_seconds, checkpointing(service)),
            ("brands", settings.brands_refresh_seconds, service.refresh_book),
            ("housekeeping", settings.housekeeping_seconds, housekeeping(service)),
        ):
            group.create_task(repeat(name, service.stopping, seconds, work), name=name)
