"""Post a notice to a URL, signed as Standard Webhooks 1.0.0 has it."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from standardwebhooks import Webhook
from yarl import URL

from prefsvc import retries
from prefsvc.deliveries import Answer
from prefsvc.outward.guard import ForbiddenAddressError, guard_for
from prefsvc.settings import Settings

_GONE: Final = 410
_SLOW_DOWN: Final = frozenset({429, 502, 503, 504})
_USER_AGENT: Final = "prefsvc (Standard Webhooks)"


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The HTTP clients, one for each scheme: only your own networks are called without TLS."""

    sessions: Mapping[str, ClientSession]

    async def post(
        self, target: str, delivery_id: str, at: datetime, body: bytes, secrets: Sequence[bytes]
    ) -> Answer:
        """Post a notice once; never raise for what the receiver or the network does."""
        url = URL(target)
        headers = signed(delivery_id, at, body, secrets)
        try:
            # A redirect would lead past the guard of the scheme, and to a receiver without secret.
            async with self.sessions[url.scheme].post(
                url, data=body, headers=headers, allow_redirects=False
            ) as response:
                # What it says besides is not read: only its status counts.
                return answer_of(response.status, response.headers.get("Retry-After"), at)
        except aiohttp.ClientConnectorError as error:
            is_forbidden = isinstance(error.os_error, ForbiddenAddressError)
            return Answer("forbidden_address" if is_forbidden else "not_connected")
        except TimeoutError:
            return Answer("timed_out")
        except (aiohttp.ClientConnectionError, ssl.SSLError, OSError):
            return Answer("not_connected")
        except (aiohttp.ClientError, ValueError):
            return Answer("not_understood")


@asynccontextmanager
async def webhooks(settings: Settings) -> AsyncIterator[Webhooks]:
    """Open the HTTP clients for the block."""
    async with _session(settings, "https") as https, _session(settings, "http") as http:
        yield Webhooks({"https": https, "http": http})


def _session(settings: Settings, scheme: str) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(
            socket_factory=guard_for(settings, scheme).socket,
            use_dns_cache=False,
            force_close=True,
            limit=0,  # deliveries are counted where they are claimed
        ),
        timeout=ClientTimeout(total=settings.delivery_timeout_seconds),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,  # a small answer must not become a large one
        trust_env=False,  # a proxy would connect in our place, past the guard
        headers={"User-Agent": _USER_AGENT},
    )


def signed(delivery_id: str, at: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """Return the headers of an attempt: a signature by each secret, the newest first."""
    text = body.decode()
    signatures = [Webhook(secret).sign(delivery_id, at, text) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def answer_of(status: int, retry_after: str | None, now: datetime) -> Answer:
    """Say what a status means (Standard Webhooks): only a 2xx is a delivery."""
    if 200 <= status < 300:  # noqa: PLR2004 - the class of statuses that mean success
        return Answer("delivered", status)
    if status == _GONE:
        return Answer("gone", status)
    if 300 <= status < 400:  # noqa: PLR2004 - redirects
        return Answer("redirected", status)
    asked = retries.asked_seconds(retry_after, now) if status in _SLOW_DOWN else None
    return Answer("refused", status, asked)
