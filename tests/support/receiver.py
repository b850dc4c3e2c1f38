"""A receiver of webhooks on this machine: it answers as a test says, and remembers what arrived."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

LIMIT_SECONDS = 20
Answering = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True)
class Arrived:
    """A notice as it arrived."""

    headers: dict[str, str]
    body: str

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self):
        return json.loads(self.body)

    @property
    def signatures(self) -> list[str]:
        return self.headers["webhook-signature"].split(" ")

    def is_signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is this secret's; the clock of the test may be anywhere."""
        at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        return Webhook(secret).sign(self.webhook_id, at, self.body) in self.signatures


@dataclass
class Receiver:
    """Where it listens, how it answers next (then always 204), and what has arrived."""

    url: str = ""
    answers: list[Answering | int] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self.changed:
            self.arrived.append(Arrived(headers, body))
            self.changed.notify_all()
        answer = self.answers.pop(0) if self.answers else 204
        return web.Response(status=answer) if isinstance(answer, int) else await answer(request)

    async def wait_for(self, count: int) -> list[Arrived]:
        """Wait until so many notices have arrived; return them all."""
        async with asyncio.timeout(LIMIT_SECONDS), self.changed:
            await self.changed.wait_for(lambda: len(self.arrived) >= count)
        return self.arrived


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen for the block's length."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[str]]]:
    """Listen on a port of every local address; yield it and who has connected, for the block."""
    visitors: list[str] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(note, None, 0, family=2)
    async with server:
        yield server.sockets[0].getsockname()[1], visitors
