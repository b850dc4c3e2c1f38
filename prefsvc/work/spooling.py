"""The round that asks a database that did not answer, and gives back what was spooled meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from prefsvc.bounded import within
from prefsvc.db.away import AWAY
from prefsvc.db.lanes import lane
from prefsvc.db.migrate import MigrationError
from prefsvc.doors import Service
from prefsvc.errors import Refusal
from prefsvc.spool.replaying import PASSING, replay

log = structlog.get_logger()


def spooling(service: Service) -> Callable[[], Awaitable[None]]:
    """Return the round; each process has its own, for each finds out by itself who is away."""

    async def tend() -> None:
        spool = service.spool
        if not (spool.take_doubt() or spool.is_away):
            return
        if await _is_there(service) and await _has_arrived(service):
            with lane("intake"):  # these are opt-outs, and were there first
                await _give_back(service)

    return tend


async def _is_there(service: Service) -> bool:
    spool = service.spool
    seconds = service.settings.spool_after_seconds
    try:
        await within(seconds, service.database.ping(seconds))
    except AWAY as error:
        if not spool.is_away:
            log.error("database_away", kind=type(error).__name__)  # noqa: TRY400 - its text says more
        spool.note(is_away=True)
        return False
    return True


async def _has_arrived(service: Service) -> bool:
    """Do what a start without the database has put off; say whether nothing of it is left.

    What it refuses (other secrets, a table locked for too long) an operator has to see to; until
    then opt-outs are kept.
    """
    try:
        while service.put_off:
            await service.put_off[0]()
            del service.put_off[0]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
        why = str(error) if isinstance(error, Refusal | MigrationError) else None
        log.error("database_not_taken", kind=type(error).__name__, why=why)  # noqa: TRY400
        return False
    service.there.set()
    return True


async def _give_back(service: Service) -> None:
    """Give back what waits; what comes meanwhile is kept behind it, until nothing waits."""
    spool = service.spool
    try:
        state = await spool.state()
        if state.standing.waiting:
            await replay(service)
            state = await spool.state()
    except PASSING as error:
        log.warning("spool_not_given_back", kind=type(error).__name__)
        # A connection may lead to a server that takes no writes any more, where a new one does not.
        await service.database.renew()
        spool.doubt()
        await _let_it_be(service)
        return
    if spool.is_away and not state.standing.waiting:
        log.info("database_back")
        spool.note(is_away=False)
        spool.doubt()  # of what was kept in this moment


async def _let_it_be(service: Service) -> None:
    """Wait, whatever comes meanwhile: a full disk fails at once, and would be tried without end."""
    with suppress(TimeoutError):
        await asyncio.wait_for(service.stopping.wait(), service.settings.spool_probe_seconds)
