"""Manners under load: opt-outs first, lists second, everything else third; nobody asks too much.

An opt-out is never refused for its rate, whoever sends it: the first might be among them.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from prefsvc.bounded import Deadline, Places
from prefsvc.db.lanes import PRIVILEGED, Lane, enter
from prefsvc.errors import TooBusy, TooManyRequests
from prefsvc.rates import Rate, Standing
from prefsvc.settings import Settings
from prefsvc.web import client, link_pages
from prefsvc.web.auth import IDENTIFIED
from prefsvc.web.problems import STATUS, Handler, of_refusal
from prefsvc.web.requests import route_of

_BRAND: Final = "/v1/brands/{brand}"
_INTAKE: Final = (
    "/u/{token}",
    "/u/{token}/",
    f"{_BRAND}/opt-outs",
    f"{_BRAND}/mails",
    f"{_BRAND}/mails/mime",
)
_HOOKS: Final = "/hooks/"
_HEALTH: Final = ("/livez", "/readyz", "/metrics")
_LISTS: Final = (
    "/u/{token}",
    "/u/{token}/",
    "/u/{token}/undo",
    f"{_BRAND}/check",
    f"{_BRAND}/suppressions",
    f"{_BRAND}/feed",
    f"{_BRAND}/feed/acknowledgements",
    f"{_BRAND}/senders/{{sender}}/clearance",
)
"""Also the pages of links, by which people come to say stop."""

_LONG: Final = ("/suppressions", "/checkpoints", "/feed", "/links", "/sends", "/imports/{import}")
"""What may take long, waiting for its caller: each of these has limits of its own."""
_AT_HAND: Final = ("/", "/docs", "/openapi.yaml", "/openapi.json", "(none)")
"""What costs next to nothing."""

_STANDING: Final = web.RequestKey("standing", Standing)


def lane_of(method: str, route: str) -> Lane:
    """Return in which lane a request is served."""
    if route.startswith(_HOOKS) or route in _HEALTH or (method == "POST" and route in _INTAKE):
        return PRIVILEGED
    return "lists" if route in _LISTS else "rest"


@dataclass(slots=True)
class Gate:
    """Lets so many in at once, and so many wait; whoever is let in has the processor in turn."""

    places: Places

    async def __aenter__(self) -> None:
        """Wait to be let in, and be inside for the block."""
        try:
            await self.places.enter()
        except TimeoutError:
            raise TooBusy from None

    async def __aexit__(self, *_: object) -> None:
        """Make room for the next."""
        self.places.leave()


class Manners:
    """What this process remembers of those who ask."""

    def __init__(self, settings: Settings) -> None:
        """Make the limits of these settings."""
        most, patience = settings.requests_waiting_max, Deadline(settings.connect_timeout_seconds)
        sizes: dict[Lane, int] = {
            "lists": settings.lists_at_once_max,
            "rest": settings.rest_at_once_max,
        }
        self.gates = {
            name: Gate(Places(size, waiting_max=most, patience=patience))
            for name, size in sizes.items()
        }
        self._trusted = settings.trusted_proxies
        self._keys = Rate("key", settings.requests_per_key_per_minute_max)
        self._addresses = Rate("address", settings.requests_per_address_per_minute_max)

    def take(self, request: web.Request, key: bytes | None) -> Standing | None:
        """Count a request: with a key that was good before, for the key; else for its address."""
        now = asyncio.get_running_loop().time()
        if key is not None and self._keys.knows(key):
            return self._keys.take(key, now)
        forwarded = request.headers.getall("X-Forwarded-For", [])
        address = client.caller(request.remote, forwarded, self._trusted)
        if address is None:
            return None
        return self._addresses.take(client.customer(address).encode(), now)

    def learn(self, key: bytes) -> None:
        """Remember that a key is good."""
        if not self._keys.knows(key):
            self._keys.take(key, asyncio.get_running_loop().time())


def key_of(request: web.Request) -> bytes | None:
    """Return a digest of what the caller proves itself by."""
    header = request.headers.get("Authorization")
    return hashlib.blake2b(header.encode(), digest_size=16).digest() if header else None


MANNERS: Final = web.AppKey("MANNERS", Manners)


@web.middleware
async def manners(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a request in its lane, unless too much is asked."""
    name = lane_of(request.method, route_of(request))
    enter(name)  # each request is a task of its own
    if name == PRIVILEGED or request.method == "OPTIONS":
        return await handler(request)
    return await _counted(request, handler, name)


async def _counted(request: web.Request, handler: Handler, name: Lane) -> web.StreamResponse:
    known, key = request.app[MANNERS], key_of(request)
    standing = known.take(request, key)
    if standing is not None:
        request[_STANDING] = standing
        if standing.is_refused:
            return _refused(request, standing)
    try:
        route = route_of(request)
        if route in _AT_HAND or route.endswith(_LONG):
            return await handler(request)
        async with known.gates[name]:
            return await handler(request)
    finally:
        if key is not None and request.get(IDENTIFIED):
            known.learn(key)


def _refused(request: web.Request, standing: Standing) -> web.Response:
    is_page = route_of(request).startswith("/u/")
    answer = (
        link_pages.try_again(request, None, status=STATUS[TooManyRequests])
        if is_page
        else of_refusal(TooManyRequests())
    )
    answer.headers["Retry-After"] = str(standing.next_in_seconds)
    return answer


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Say what is left, just before the first byte goes out."""
    standing = request.get(_STANDING)
    if standing is not None:
        response.headers["RateLimit-Policy"] = standing.policy_header
        response.headers["RateLimit"] = standing.header
