"""Knock at an unsubscribe link as mail programs do; what an operator asks for, by command."""

from collections.abc import AsyncIterator
from time import perf_counter
from typing import Final

import aiohttp
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from prefsvc.one_click import KNOCKS, Answered, Finding, Knock, read_answer

TIMEOUT_SECONDS: Final = 20


async def knock_at(url: str, *, asking: bool) -> AsyncIterator[Finding]:
    """Knock as each of them, one after the other; `asking` is whether to unsubscribe, too."""
    session = ClientSession(
        timeout=ClientTimeout(total=TIMEOUT_SECONDS),
        cookie_jar=DummyCookieJar(),  # E-11: no context whatever comes along
    )
    async with session:
        for knock in KNOCKS:
            if asking or not knock.asks:
                yield read_answer(knock, await _answered(session, url, knock))


async def _answered(session: ClientSession, url: str, knock: Knock) -> Answered:
    started = perf_counter()
    try:
        async with session.request(
            knock.method,
            URL(url, encoded=True),
            data=knock.body or None,
            headers=knock.headers,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as response:
            await response.content.read(1)
            sets_cookie = "Set-Cookie" in response.headers
            return Answered(response.status, perf_counter() - started, sets_cookie)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return Answered(None, perf_counter() - started)
