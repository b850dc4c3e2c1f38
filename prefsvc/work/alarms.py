"""Look at every sender's clock, raise what has passed, and show how all of them stand."""

from collections.abc import Iterable
from typing import get_args

import structlog

from prefsvc import alarms, metrics, senders
from prefsvc.brands import AppliedBrand
from prefsvc.db import queries
from prefsvc.doors import Service
from prefsvc.senders import Standing
from prefsvc.standing import SenderState
from prefsvc.work.apart import apart

log = structlog.get_logger()


async def raise_alarms(service: Service) -> None:
    """Raise what has passed at the senders of every brand; one that fails holds up no other.

    A look costs a few statements a brand; only a sender that passed a step, or has caught up, is
    given a transaction of its own.
    """
    found: list[tuple[AppliedBrand, Standing]] = []
    for brand in service.book.by_slug.values():
        if brand.retired_at is None:
            with apart("alarms", brand=brand.slug):
                found += [(brand, standing) for standing in await _look(service, brand)]
    async with service.database.read() as tx:
        cases = await queries.open_cases(tx.conn)
    _show(found, cases)


async def _look(service: Service, brand: AppliedBrand) -> list[Standing]:
    async with service.database.read() as tx:
        standings = await senders.standings(tx, service.obligations, brand)
        calling = await alarms.to_watch(tx, brand, standings)
    for one in calling:
        with apart("alarms", brand=brand.slug, sender=one.sender.slug):
            await _watch(service, brand, one)
    return standings


async def _watch(service: Service, brand: AppliedBrand, standing: Standing) -> None:
    async with service.database.transaction() as tx:
        step = await alarms.watch(tx, service.obligations, brand, standing.sender)
    if step:
        service.enqueued.set()
        metrics.ALARMS.labels(step).inc()
        log.warning("alarm", brand=brand.slug, sender=standing.sender.slug, step=step)


def _show(
    found: Iterable[tuple[AppliedBrand, Standing]], cases: Iterable[queries.OpenCasesRow]
) -> None:
    # All at once: who reads the metrics meanwhile sees every sender, and none that is gone.
    for gauge in (
        metrics.SENDER_OWED,
        metrics.SENDER_STATE,
        metrics.SENDER_DEADLINE,
        metrics.SENDER_ACKNOWLEDGED,
        metrics.OPEN_CASES,
    ):
        gauge.clear()
    for brand, standing in found:
        _show_sender(brand.slug, standing)
    for row in cases:
        metrics.OPEN_CASES.labels(row.brand, row.kind).set(row.case_count)


def _show_sender(brand: str, standing: Standing) -> None:
    sender, owed = standing.sender, standing.owed
    metrics.SENDER_OWED.labels(brand, sender.slug).set(owed.count)
    for state in get_args(SenderState):
        metrics.SENDER_STATE.labels(brand, sender.slug, state).set(state == standing.state)
    if owed.deadline_at:
        metrics.SENDER_DEADLINE.labels(brand, sender.slug).set(owed.deadline_at.timestamp())
    if sender.acknowledged_at:
        acknowledged = metrics.SENDER_ACKNOWLEDGED.labels(brand, sender.slug)
        acknowledged.set(sender.acknowledged_at.timestamp())
