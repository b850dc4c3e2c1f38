"""One line of log and one count for every request, without its path: paths carry tokens."""

import asyncio
import secrets
from collections.abc import Awaitable
from time import perf_counter

import structlog
from aiohttp import web

from prefsvc import metrics
from prefsvc.doors import SERVICE
from prefsvc.web.problems import Handler

log = structlog.get_logger()

_REQUEST_ID = web.RequestKey("request_id", str)
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@web.middleware
async def requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Time the request, count it and log it by its route."""
    started = perf_counter()
    request_id = request[_REQUEST_ID] = secrets.token_hex(8)
    status = 499  # the caller went away
    try:
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = await handler(request)
            status = response.status
            if request.app[SERVICE].stopping.is_set() and not response.prepared:
                response.force_close()  # so that nobody asks again where nobody will answer
            return response
    finally:
        _note(request, status, perf_counter() - started, request_id)


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on that every answer has, just before its first byte goes out."""
    response.headers.update(SECURITY_HEADERS)
    if _REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[_REQUEST_ID]


_OF_TEXTS = ("/hooks/telnyx/", "/hooks/twilio/")
_UNLIMITED = ("/suppressions", "/checkpoints", "/feed", "/links", "/sends")


@web.middleware
async def time_limit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give up on a request that takes too long; streams and long polls have limits of their own."""
    route, settings = route_of(request), request.app[SERVICE].settings
    if route.endswith(_UNLIMITED):
        return await handler(request)
    if route.startswith(_OF_TEXTS):
        return await _in_time(handler(request), settings.webhook_timeout_seconds)
    async with asyncio.timeout(settings.request_timeout_seconds):
        return await handler(request)


_given_up: set[asyncio.Future[web.StreamResponse]] = set()
"""Handlers that were given up and are not at their end yet."""


async def _in_time(working: Awaitable[web.StreamResponse], seconds: float) -> web.StreamResponse:
    """Wait so long and no longer: a provider does not wait for us, either (RULES S-08).

    Giving up takes its time where the database is stuck, because the driver tells it to stop, too,
    and waits for that. So the handler ends by itself; what it began is rolled back, or was durable.
    """
    task = asyncio.ensure_future(working)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            _given_up.add(task)
            task.add_done_callback(_end)
            task.cancel()


def _end(task: "asyncio.Future[web.StreamResponse]") -> None:
    _given_up.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.warning("given_up", kind=type(error).__name__)


def _note(request: web.Request, status: int, seconds: float, request_id: str) -> None:
    route = route_of(request)
    method = request.method if request.method in _METHODS else "other"
    metrics.REQUESTS.labels(route, method, str(status)).inc()
    metrics.REQUEST_SECONDS.labels(route, method).observe(seconds)
    log.info(
        "request", route=route, method=method, status=status, ms=round(seconds * 1000, 1),
        request_id=request_id,
    )  # fmt: skip


_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


def route_of(request: web.Request) -> str:
    """Return the route's template, `/u/{token}`, never the path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "(none)"
