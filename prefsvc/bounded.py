"""Waiting so long and no longer, also for what does not stop when it is told to."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import structlog

_T = TypeVar("_T")

log = structlog.get_logger()

_given_up: "set[asyncio.Future[Any]]" = set()
"""What was given up and is not at its end yet."""


async def within(seconds: float, working: Awaitable[_T]) -> _T:
    """Return what comes of it within this time; otherwise raise TimeoutError and let it go.

    Giving up takes its time where the database is stuck, because the driver tells it to stop, too,
    and waits for that. So what was given up ends by itself; what it began is rolled back, or was
    durable.
    """
    task = asyncio.ensure_future(working)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            _given_up.add(task)
            task.add_done_callback(_end)
            task.cancel()


def _end(task: "asyncio.Future[Any]") -> None:
    _given_up.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.warning("given_up", kind=type(error).__name__)
