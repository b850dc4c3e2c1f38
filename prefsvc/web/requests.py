"""One line of log and one count for every request, without its path: paths carry tokens."""

import secrets
from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Final

from aiohttp import web
from prometheus_client import Counter, Histogram

from prefsvc import logs, metrics
from prefsvc.bounded import Deadline, within
from prefsvc.doors import SERVICE
from prefsvc.web.problems import Handler

LOG: Final[web.AppKey[Callable[..., None]]] = web.AppKey("LOG")
"""Logs a request."""
_REQUEST_ID = web.RequestKey("request_id", str)
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@web.middleware
async def requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Time the request, count it and log it by its route."""
    started = perf_counter()
    request_id = request[_REQUEST_ID] = secrets.token_hex(8)
    status = 499  # the caller went away
    outside = logs.REQUEST_ID.set(request_id)
    try:
        response = await handler(request)
        status = response.status
        if request.app[SERVICE].stopping.is_set() and not response.prepared:
            response.force_close()  # so that nobody asks again where nobody will answer
        return response
    finally:
        _note(request, status, perf_counter() - started)
        logs.REQUEST_ID.reset(outside)


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on that every answer has, just before its first byte goes out."""
    response.headers.update(SECURITY_HEADERS)
    if _REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[_REQUEST_ID]


DEADLINE: Final = web.AppKey("DEADLINE", Deadline)
_OF_TEXTS = ("/hooks/telnyx/", "/hooks/twilio/")
_UNLIMITED = ("/suppressions", "/checkpoints", "/feed", "/links", "/sends", "/imports/{import}")


@web.middleware
async def time_limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give up on a request that takes too long; streams and long polls have limits of their own."""
    route = route_of(request)
    if route.endswith(_UNLIMITED):
        return await handler(request)
    if route.startswith(_OF_TEXTS):
        # A provider does not wait for us, either (RULES S-08).
        seconds = request.app[SERVICE].settings.webhook_timeout_seconds
        return await within(seconds, handler(request))
    return await request.app[DEADLINE].keep(handler(request))


def _note(request: web.Request, status: int, seconds: float) -> None:
    route = route_of(request)
    method = request.method if request.method in _METHODS else "other"
    count, times = _counted(route, method, status)
    count.inc()
    times.observe(seconds)
    ms = round(seconds * 1000, 1)
    request.app[LOG](route=route, method=method, status=status, ms=ms)


@cache  # as many as there are time series: routes, methods and statuses are a fixed few
def _counted(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Return what counts and times such requests; looking it up costs more than counting."""
    return (
        metrics.REQUESTS.labels(route, method, str(status)),
        metrics.REQUEST_SECONDS.labels(route, method),
    )


_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


def route_of(request: web.Request) -> str:
    """Return the route's template, `/u/{token}`, never the path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "(none)"
