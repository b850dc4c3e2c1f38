"""The lease of what one process does for all: an advisory lock that goes with its connection.

Nothing that must be right rests on it (ENGINE.md, rule 8): what is done under it may be done by
two at once, and comes out the same. It only spares all the others the work.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from prefsvc.db.connection import PlainConnection

log = structlog.get_logger()

LOCK: Final = 0x7072656673766301
"""The one after that of migrations (migrate.py)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """How the lease is asked for and kept.

    Its holder is heard of several times in `silence_seconds`. After such a silence the server ends
    the session, and the lock with it; the holder, if it still runs, has stopped before.
    """

    dsn: str
    silence_seconds: float
    ask_seconds: float
    """How often those ask that do not hold it."""

    @property
    def renew_seconds(self) -> float:
        """Return how often the holder is heard of."""
        return self.silence_seconds / 5

    @property
    def stop_seconds(self) -> float:
        """Return after which silence the holder stops: sooner than the server lets go."""
        return self.silence_seconds * 0.7

    async def hold(self, stopping: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work whenever the lease is ours, until told to stop.

        The work ends by itself when told to stop, too. Where the lease is lost it is broken off.
        """
        is_start = True
        while not stopping.is_set():
            try:
                async with self._session() as session:
                    if await self._is_ours(session, stopping, is_start=is_start):
                        await self._work(session, work)
            except Exception as error:  # noqa: BLE001 - who gave up asking would do so in silence
                log.warning("lease_fault", kind=type(error).__name__)
            is_start = False
            await _is_set_within(stopping, self.ask_seconds)

    async def _is_ours(
        self, session: "_Session", stopping: asyncio.Event, *, is_start: bool
    ) -> bool:
        """Ask until the lease is ours; polled, for who waits in the server holds a snapshot."""
        has_waited = not is_start
        while not stopping.is_set():
            async with asyncio.timeout(self.stop_seconds):
                is_ours = await session.conn.fetchval("select pg_try_advisory_lock($1)", LOCK)
            if is_ours and not has_waited:
                return True
            # Whoever had it before us, and lost it, has as long as it takes to be heard of.
            wait = self.renew_seconds if is_ours else min(self.ask_seconds, self.renew_seconds)
            is_told = await _is_set_within(stopping, wait)
            if is_ours:
                return not (is_told or session.ended.is_set())
            has_waited = True
        return False

    async def _work(self, session: "_Session", work: Callable[[], Awaitable[None]]) -> None:
        working = asyncio.ensure_future(work())
        losing = asyncio.create_task(self._lost(session), name="lease")
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                log.warning("lease_lost")
        finally:
            losing.cancel()
            working.cancel()
            await asyncio.gather(working, losing, return_exceptions=True)
        if not working.cancelled():
            working.result()

    async def _lost(self, session: "_Session") -> None:
        """Let the server hear of us; return when it does not answer in time, or has hung up."""
        clock = asyncio.get_running_loop().time
        heard_at = clock()
        while not await _is_set_within(session.ended, self.renew_seconds):
            asked_at = clock()
            try:
                async with asyncio.timeout_at(heard_at + self.stop_seconds):
                    await session.conn.execute("select")
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return
            heard_at = asked_at

    @asynccontextmanager
    async def _session(self) -> AsyncIterator["_Session"]:
        async with asyncio.timeout(self.silence_seconds):
            conn = await asyncpg.connect(
                self.dsn,
                server_settings={
                    "application_name": f"prefsvc lease {os.getpid()}",
                    "idle_session_timeout": f"{self.silence_seconds * 1000:.0f}",
                },
            )
        ended = asyncio.Event()
        conn.add_termination_listener(lambda _: ended.set())
        try:
            yield _Session(conn, ended)
        finally:
            # The lock goes with it. At once, for the server may not answer: nothing is under way.
            conn.terminate()


@dataclass(frozen=True, slots=True)
class _Session:
    conn: PlainConnection
    ended: asyncio.Event


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
