"""What carries requests to the service, over HTTP and SMTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiosmtplib
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from tests.drills.house import House

PATIENCE_SECONDS = 60
"""Longer than any client waits: by then the service must have answered, whatever has broken."""


@dataclass(frozen=True, slots=True)
class Caller:
    """All clients of a house: they know where it is now, and what proves them."""

    house: House
    session: ClientSession

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Post, and return the status once the whole answer is there."""
        url = self.house.origin + path
        async with self.session.post(url, data=body, headers=headers) as reply:
            await reply.read()
            return reply.status

    async def get(self, path: str) -> tuple[int, str]:
        """Return the status and what came with it."""
        url = self.house.origin + path
        async with self.session.get(url, headers=self.house.headers) as reply:
            return reply.status, await reply.text()

    async def ask(self, path: str, body: bytes | None = None) -> str:
        """Ask the API for something that it must give."""
        method = "GET" if body is None else "POST"
        url, headers = self.house.origin + path, self.house.headers
        async with self.session.request(method, url, data=body, headers=headers) as reply:
            answer = await reply.text()
            assert reply.status == 200, (reply.status, answer)
            return answer

    async def hand_over(self, raw: bytes, *, from_: str, to: str) -> int:
        """Hand a mail over in a conversation of its own; return how its end was answered."""
        server = aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=self.house.mail_port,
            use_tls=False,
            start_tls=False,
            timeout=PATIENCE_SECONDS,
        )
        try:
            await server.connect()
            await server.sendmail(from_, [to], raw)
        finally:
            server.close()
        return 250


@asynccontextmanager
async def calling(house: House) -> AsyncIterator[Caller]:
    """Open the clients of a house for the block."""
    async with ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=PATIENCE_SECONDS),
    ) as session:
        yield Caller(house, session)
