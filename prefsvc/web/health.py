"""Health: /livez says that the process answers, /readyz that it can work, /metrics how it does."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from prefsvc import installation
from prefsvc.db.away import AWAY
from prefsvc.doors import SERVICE, Service
from prefsvc.errors import SpoolUnusable
from prefsvc.web.body import answer

METRICS: Final[web.AppKey[Callable[[], Awaitable[bytes]]]] = web.AppKey("METRICS")
"""What /metrics shows, where it is more than this process: the sum over all workers."""


async def get_livez(_: web.Request) -> web.Response:
    """GET /livez."""
    return answer({"status": "live"})


async def get_readyz(request: web.Request) -> web.Response:
    """GET /readyz: 503 while opt-outs cannot be taken, or the service is stopping.

    While the database is away and the spool takes them, it is 200, and says so.
    """
    service = request.app[SERVICE]
    if service.stopping.is_set():
        return answer({"status": "stopping"}, status=503)
    is_there = await _database_answers(service)
    try:
        kept = await service.spool.state(must_open=not is_there)
    except SpoolUnusable:
        return answer({"status": "spool unusable"}, status=503)
    status = "ready" if is_there else "spooling"
    waiting, aside = kept.standing.waiting, kept.standing.set_aside
    return answer({"status": status, "spool": {"waiting": waiting, "set_aside": aside}})


async def _database_answers(service: Service) -> bool:
    async def look() -> None:
        async with service.database.read() as tx:
            await installation.feed_epoch(tx)

    try:
        await service.in_time(look)
    except AWAY:
        return False
    return True


async def get_metrics(request: web.Request) -> web.Response:
    """GET /metrics, for Prometheus."""
    of_all = request.app.get(METRICS)
    return web.Response(
        body=await of_all() if of_all else generate_latest(),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )
