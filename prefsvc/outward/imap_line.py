"""A mailbox's session, worked from the event loop: each step in a thread, within a time limit.

The library blocks. Its threads are daemons, unlike those of a pool: one that waits for a server
that says nothing must not hold up the end of the process.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from prefsvc.brand import Mailbox
from prefsvc.outward.imap import Session, log_in
from prefsvc.outward.imap_faults import MailboxError
from prefsvc.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(slots=True)
class Line:
    """A session, and how long a step of it may take."""

    session: Session
    seconds: float

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do one step; a session whose step took too long is broken off."""
        try:
            async with asyncio.timeout(self.seconds):
                return await in_thread(partial(work, *args, **kwargs))
        except (TimeoutError, asyncio.CancelledError) as error:
            self.session.break_off()
            if isinstance(error, TimeoutError):
                raise MailboxError("timed_out") from None
            raise

    async def news(
        self, ending: asyncio.Event, *, seconds: float, begun: Callable[[], None]
    ) -> None:
        """Wait until the server announces new mail, or so long, or until told to end."""
        if not self.session.announces:
            begun()
            await _first_of(ending.wait(), seconds=seconds)
            return
        descriptor = await self.call(self.session.listen)
        begun()
        announced = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, announced.set)
        try:
            await _first_of(ending.wait(), announced.wait(), seconds=seconds)
        finally:
            loop.remove_reader(descriptor)
        await self.call(self.session.listen_no_more)


@asynccontextmanager
async def line_to(settings: Settings, mailbox: Mailbox, password: str) -> AsyncIterator[Line]:
    """Log in at a mailbox for the block."""
    seconds = settings.mail_timeout_seconds
    try:
        async with asyncio.timeout(seconds):
            session = await in_thread(
                partial(log_in, settings, mailbox, password), unwanted=Session.break_off
            )
    except TimeoutError:
        raise MailboxError("timed_out") from None
    line = Line(session, seconds)
    try:
        yield line
    except BaseException:
        session.break_off()  # whatever it is in the middle of
        raise
    finally:
        with suppress(MailboxError):
            await Line(session, settings.mailbox_timeout_seconds).call(session.log_out)


async def in_thread(work: Callable[[], T], *, unwanted: Callable[[T], None] | None = None) -> T:
    """Do work that blocks, in a daemon thread; a result that nobody waits for is `unwanted`."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def give(result: T) -> None:
        if not done.done():
            done.set_result(result)
        elif unwanted:
            unwanted(result)

    def fail(error: BaseException) -> None:
        if not done.done():
            done.set_exception(error)

    def run() -> None:
        try:
            tell = partial(give, work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            tell = partial(fail, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="mailbox", daemon=True).start()
    return await done


async def _first_of(*waits: Coroutine[Any, Any, object], seconds: float) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
