"""Background loops: bounded rounds, each in its own transaction, until the service stops.

What a process needs for itself, each does. What is done for all, the one does that holds the lease;
if two did, it would come out the same (`db/lease.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from prefsvc import checkpoints, installation, metrics, reckonings
from prefsvc.checkpoints import PLACES_AT_ONCE, Made, Tips
from prefsvc.cursor import BUCKET_COUNT
from prefsvc.db import queries
from prefsvc.db.lanes import lane
from prefsvc.db.lease import Lease
from prefsvc.doors import Service
from prefsvc.spool.known import Known, keep
from prefsvc.work import consents, deliveries, mailboxes
from prefsvc.work.alarms import raise_alarms
from prefsvc.work.floods import watch_floods
from prefsvc.work.notices import write_notices
from prefsvc.work.reaching import reach_whatsapp
from prefsvc.work.reviews import decide_unanswered
from prefsvc.work.spooling import spooling
from prefsvc.work.tallying import tallying

log = structlog.get_logger()

Round = Callable[[], Awaitable[None]]


async def repeat(
    name: str,
    stopping: asyncio.Event,
    every_seconds: float,
    work: Round,
    *,
    waker: asyncio.Event | None = None,
) -> None:
    """Work, wait, work again; a round that fails is counted, logged and tried again.

    A waker ends the wait early; it must also be set when the service stops.
    """
    while not (stopping.is_set() or _is_broken_off()):
        if waker is not None:
            waker.clear()  # before the work, so that what comes during it is not slept over
        try:
            await work()
            metrics.LOOP_ROUND.labels(name).set_to_current_time()
        except Exception as error:  # noqa: BLE001 - a loop that died would fail in silence
            metrics.LOOP_FAULTS.labels(name).inc()
            log.warning("loop_fault", loop=name, kind=type(error).__name__)
        if _is_broken_off():
            return
        try:
            await asyncio.wait_for((waker or stopping).wait(), every_seconds)
        except TimeoutError:
            continue


def _is_broken_off() -> bool:
    """Say whether we were told to break off, though we may not have heard it.

    Before Python 3.12 `wait_for` forgets a cancellation that comes in the moment in which what it
    waits for ends, as when a bell rings. One loop that went on then would keep those of all from
    ending, and so the lease from ever being held again.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def checkpointing(service: Service) -> Round:
    """Return the round that signs for what has been written since the last."""
    tips = Tips()
    # Places have their turns all through the time between two rounds, and not one after the other:
    # so nobody's opt-out waits for more than a few milliseconds of signing.
    rest_seconds = service.settings.checkpoint_seconds * PLACES_AT_ONCE / BUCKET_COUNT

    async def make() -> None:
        made = await make_some()
        while made.has_more and not service.stopping.is_set():
            await asyncio.sleep(0 if made.is_behind else rest_seconds)
            made = await make_some()

    async def make_some() -> Made:
        async with service.database.transaction(by_keys=True) as tx:
            made = await checkpoints.make(
                tx, service.vault, service.installation.installation_id, service.book, tips
            )
        tips.remember(made)
        metrics.CHECKPOINTS.inc(made.count)
        metrics.LEDGER_BROKEN.set(len(tips.broken))
        for bucket, brand_id in made.broken:
            log.error("ledger_broken", bucket=bucket, brand_id=brand_id)
        return made

    return make


def housekeeping(service: Service) -> Round:
    """Return the round that forgets old answers."""

    async def tidy() -> None:
        before = service.now() - service.settings.idempotency_age
        receipts_before = service.now() - service.settings.receipt_every
        # Each a transaction by itself, over all buckets: one for each would be 128 a round.
        async with service.database.look() as tx:
            await queries.forget_answers(tx.conn, before=before)
            await queries.forget_receipts(tx.conn, before=receipts_before)

    return tidy


def history(service: Service) -> Round:
    """Return the round that notices a failover."""

    async def look() -> None:
        before = service.installation.feed_epoch
        async with service.database.transaction() as tx:
            service.installation = await installation.recognise(tx, service.vault)
            if service.installation.feed_epoch != before:
                await reckonings.learn(tx)

    return look


def keeping_book(service: Service) -> Round:
    """Return the round that reads the brands again, and keeps what the next start may need."""
    kept: Known | None = None

    async def look() -> None:
        nonlocal kept
        await service.refresh_book()
        known = Known(service.installation, service.book, service.book_version)
        if kept is None or known.version != kept.version:
            folder = service.settings.spool_folder
            await asyncio.to_thread(keep, folder, known, service.vault)
            kept = known

    return look


async def run(service: Service) -> None:
    """Run our own loops, and those of all while the lease is ours, until told to stop."""
    with lane("loops"):
        await _run(service)


async def _run(service: Service) -> None:
    settings = service.settings
    lease = Lease(service.database.dsn, settings.lease_silence_seconds, settings.lease_seconds)
    async with asyncio.TaskGroup() as group:
        for name, seconds, work, waker in (
            ("spool", settings.spool_probe_seconds, spooling(service), service.spool.doubted),
            ("brands", settings.brands_refresh_seconds, keeping_book(service), None),
            ("history", settings.housekeeping_seconds, history(service), None),
            ("floods", settings.mail_flood_seconds, partial(watch_floods, service), None),
        ):
            loop = repeat(name, service.stopping, seconds, work, waker=waker)
            group.create_task(loop, name=name)
        # Whatever is done for all is done by this version's tables.
        await service.there.wait()
        group.create_task(lease.hold(service.stopping, partial(_for_all, service)), name="lease")


async def _for_all(service: Service) -> None:
    """Run the loops of all."""
    settings = service.settings
    metrics.LEADS.set(1)
    log.info("leading")
    try:
        async with (
            deliveries.courier(service) as courier,
            consents.teller(service) as teller,
            mailboxes.puller(service) as puller,
            asyncio.TaskGroup() as group,
        ):
            for name, seconds, work, waker in (
                ("checkpoints", settings.checkpoint_seconds, checkpointing(service), None),
                ("tallies", settings.tally_seconds, tallying(service), None),
                ("reviews", settings.review_seconds, partial(decide_unanswered, service), None),
                ("reach", settings.housekeeping_seconds, partial(reach_whatsapp, service), None),
                ("housekeeping", settings.housekeeping_seconds, housekeeping(service), None),
                ("alarms", settings.alarm_seconds, partial(raise_alarms, service), None),
                (
                    "notices",
                    settings.notice_seconds,
                    partial(write_notices, service),
                    service.bell.rung,
                ),
                ("deliveries", settings.delivery_seconds, courier.begin, service.enqueued),
                ("consents", settings.twilio_seconds, teller.begin, service.bell.told),
                ("mailboxes", settings.brands_refresh_seconds, puller.begin, None),
                ("untold", settings.backlog_seconds, partial(consents.count_untold, service), None),
                (
                    "backlog",
                    settings.backlog_seconds,
                    partial(deliveries.count_backlog, service),
                    None,
                ),
            ):
                loop = repeat(name, service.stopping, seconds, work, waker=waker)
                group.create_task(loop, name=name)
    finally:
        metrics.let_go_of_the_lease()
