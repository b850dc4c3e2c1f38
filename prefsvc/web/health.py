"""Health: /livez says that the process answers, /readyz that it can work, /metrics how it does."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from prefsvc import installation
from prefsvc.doors import SERVICE
from prefsvc.web.body import answer
from prefsvc.web.problems import AWAY

METRICS: Final[web.AppKey[Callable[[], Awaitable[bytes]]]] = web.AppKey("METRICS")
"""What /metrics shows, where it is more than this process: the sum over all workers."""


async def get_livez(_: web.Request) -> web.Response:
    """GET /livez."""
    return answer({"status": "live"})


async def get_readyz(request: web.Request) -> web.Response:
    """GET /readyz: 503 while the database is away or the service is stopping."""
    service = request.app[SERVICE]
    if service.stopping.is_set():
        return answer({"status": "stopping"}, status=503)
    try:
        async with service.database.read() as tx:
            await installation.feed_epoch(tx)
    except AWAY:
        return answer({"status": "database away"}, status=503)
    return answer({"status": "ready"})


async def get_metrics(request: web.Request) -> web.Response:
    """GET /metrics, for Prometheus."""
    of_all = request.app.get(METRICS)
    return web.Response(
        body=await of_all() if of_all else generate_latest(),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )
