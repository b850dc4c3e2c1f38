"""The embedded PostgreSQL, for as long as a process serves that runs it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from prefsvc import engine
from prefsvc.engine import Engine
from prefsvc.settings import Settings


@contextmanager
def database(settings: Settings) -> Iterator[Engine | None]:
    """Run it for the block, unless there is a PostgreSQL of your own."""
    if settings.database_url is not None:
        yield None
        return
    with engine.running(
        settings.data_dir,
        bindir=settings.pg_bindir,
        start_timeout_seconds=settings.engine_start_timeout_seconds,
        parameters={"max_connections": str(_connections(settings))},
    ) as running:
        yield running


def dsn(settings: Settings, running: Engine | None) -> str:
    """Return how to connect to it, or to your own."""
    if running is not None:
        return running.dsn
    return settings.database_url.get_secret_value() if settings.database_url else ""


def _connections(settings: Settings) -> int:
    """Return how many connections it takes: while workers are replaced, there is one more."""
    processes = settings.workers + 1 if settings.workers > 1 else 1
    return max(100, processes * settings.connections_per_process + 20)


@asynccontextmanager
async def watched(running: Engine | None, stop: asyncio.Event) -> AsyncIterator[None]:
    """Start it again when it dies; stop the service if it keeps dying."""
    if running is None:
        yield
        return
    done = asyncio.Event()
    watching = asyncio.create_task(running.watch(done), name="engine")
    watching.add_done_callback(lambda _: stop.set())
    try:
        yield
    finally:
        done.set()
        await watching
