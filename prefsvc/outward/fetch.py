"""Fetch a small document from the public internet, past the same guard as every webhook."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    StreamReader,
    TCPConnector,
)

from prefsvc.outward.guard import guard_for
from prefsvc.settings import Settings

Fetch: TypeAlias = Callable[[Settings, str], Awaitable[bytes]]
_USER_AGENT: Final = "prefsvc"
_OK: Final = 200


class NotFetchedError(Exception):
    """The document did not come whole: no answer, another answer than 200, or a larger one."""


async def fetch(settings: Settings, url: str) -> bytes:
    """Return the document, or raise NotFetchedError; no redirect is followed."""
    try:
        async with _session(settings) as session, session.get(url, allow_redirects=False) as answer:
            if answer.status != _OK:
                raise NotFetchedError
            return await _read(answer.content, settings.sns_document_bytes_max)
    except (ClientError, OSError, TimeoutError, ValueError) as error:
        raise NotFetchedError from error


async def _read(content: StreamReader, bytes_max: int) -> bytes:
    document = bytearray()
    async for chunk in content.iter_any():
        document += chunk
        if len(document) > bytes_max:
            raise NotFetchedError
    return bytes(document)


def _session(settings: Settings) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(
            socket_factory=guard_for(settings, "https").socket,
            use_dns_cache=False,
            force_close=True,
        ),
        timeout=ClientTimeout(total=settings.delivery_timeout_seconds),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,  # a small answer must not become a large one
        trust_env=False,  # a proxy would connect in our place, past the guard
        headers={"User-Agent": _USER_AGENT},
    )
