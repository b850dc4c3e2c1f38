"""What a process does that serves, be it the only one or one of several."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from aiohttp import web

from prefsvc import app
from prefsvc.brand import Brand
from prefsvc.doors import Service
from prefsvc.errors import BrandRefusal
from prefsvc.examples import examples
from prefsvc.mailbox import listener as mailbox
from prefsvc.processes.sockets import BACKLOG, Sockets
from prefsvc.web.health import METRICS
from prefsvc.web.protocol import Runner

log = structlog.get_logger()

Exposed = Callable[[], Awaitable[bytes]]
_NEW_OBJECTS_PER_LOOK = 7_000
"""After so many new objects Python looks for garbage among them."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the faster event loop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


@dataclass(slots=True)
class Doors:
    """What is listened on here; each of the sockets may be opened and closed by itself."""

    sockets: Sockets
    runner: Runner
    mail_protocol: Callable[[], asyncio.Protocol] | None
    _opened: dict[int, list[web.BaseSite | asyncio.Server]] = field(default_factory=dict)

    async def keep_open(self, numbers: Sequence[int]) -> None:
        """Take connections at these sockets, and at no other."""
        for number in self._opened.keys() - set(numbers):
            for one in self._opened.pop(number):
                await _close(one)
        for number in sorted(set(numbers) - self._opened.keys()):
            self._opened[number] = [one async for one in self._open(number)]

    async def _open(self, number: int) -> AsyncIterator[web.BaseSite | asyncio.Server]:
        # A copy of the socket: what is closed here stays open for whoever has the other.
        site = web.SockSite(self.runner, self.sockets.http[number].dup(), backlog=BACKLOG)
        await site.start()
        yield site
        if self.mail_protocol and self.sockets.mail:
            mail = self.sockets.mail[number].dup()
            loop = asyncio.get_running_loop()
            yield await loop.create_server(self.mail_protocol, sock=mail, backlog=BACKLOG)


async def _close(one: web.BaseSite | asyncio.Server) -> None:
    if isinstance(one, web.BaseSite):
        await one.stop()
    else:
        one.close()


@asynccontextmanager
async def doors(
    service: Service, sockets: Sockets, *, number: int = 0, exposed: Exposed | None = None
) -> AsyncIterator[Doors]:
    """Serve at the socket of this number for the block.

    In the end the doors are closed first, and who is inside is seen to.
    """
    application = app.build(service)
    if exposed:
        application[METRICS] = exposed
    async with _runner(service, application) as runner, _mail(service, sockets) as protocol:
        opened = Doors(sockets, runner, protocol)
        # What was made until here stays. Looking through it for garbage takes 0.1 s each time, in
        # which nobody is answered; and of what is made for a request next to nothing is garbage
        # that needs to be looked for, so that is done a tenth as often as Python would.
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS_PER_LOOK)
        await opened.keep_open([number])
        try:
            yield opened
        finally:
            service.stop()
            await opened.keep_open([])
            await runner.linger(service.settings.shutdown_linger_seconds)


@asynccontextmanager
async def _runner(service: Service, application: web.Application) -> AsyncIterator[Runner]:
    runner = Runner(application, service.settings)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _mail(
    service: Service, sockets: Sockets
) -> AsyncIterator[Callable[[], asyncio.Protocol] | None]:
    if not sockets.mail:
        yield None
        return
    async with mailbox.conversing(service) as protocol:
        port = int(sockets.mail[0].getsockname()[1])
        log.info("taking_mail", protocol=service.settings.mail_listen_protocol, port=port)
        yield protocol


async def apply_brands(service: Service, *, is_embedded: bool) -> bool:
    """Apply the configured brand files, as soon as the database is there.

    A new embedded installation gets the examples; say whether it is one. What is wrong in a file is
    said at once.
    """
    folder = service.settings.brands_dir
    is_new = is_embedded and not service.book.by_slug
    if folder is None and not is_new:
        return False
    files = sorted((folder or examples()).glob("*.toml"))
    if not files:
        raise BrandRefusal(f"PREFSVC_BRANDS_DIR ({folder}) has no *.toml file.")
    apply = partial(_apply, service, app.read_brands(files))
    if service.put_off:
        service.put_off.append(apply)
    else:
        await apply()
    return is_new


async def _apply(service: Service, read: Sequence[Brand]) -> None:
    for applied in await app.apply_brands(service, read):
        if applied.changes:
            log.info("brand_applied", brand=applied.slug, changes=len(applied.changes))


def inherited(numbers: Sequence[int]) -> tuple[socket.socket, ...]:
    """Return the sockets that the parent has handed over."""
    return tuple(socket.socket(fileno=number) for number in numbers)
