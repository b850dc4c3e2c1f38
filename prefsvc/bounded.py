"""Waiting so long and no longer, also for what does not stop when it is told to."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from prefsvc.errors import TooBusy

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


@dataclass(slots=True, eq=False)
class _Work:
    task: "asyncio.Task[Any]"
    due_at: float
    is_given_up: bool = False


class Deadline:
    """So many seconds for each of many: `asyncio.timeout` with one timer for all of them.

    They all have the same time, so they are due in the order in which they began, and it is enough
    to look at the first. Almost all are at their end before that.
    """

    def __init__(self, seconds: float) -> None:
        """Give each of them so long."""
        self._seconds = seconds
        self._under_way: dict[_Work, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def keep(self, working: Awaitable[_T]) -> _T:
        """Return what comes of it in time; otherwise cancel it and raise TimeoutError."""
        work = self._begun()
        try:
            return await working
        except asyncio.CancelledError:
            if work.is_given_up and work.task.cancelling() == 1:
                raise TimeoutError from None
            raise  # somebody else wants it to end, too
        finally:
            self._under_way.pop(work, None)
            if work.is_given_up:
                work.task.uncancel()

    def _begun(self) -> _Work:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("only what a task does has a deadline")
        work = _Work(task, loop.time() + self._seconds)
        self._under_way[work] = None
        if self._timer is None:
            self._timer = loop.call_at(work.due_at, self._look)
        return work

    def _look(self) -> None:
        """Give up what is due, and look again when the next is."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while (first := next(iter(self._under_way), None)) is not None:
            if first.due_at > loop.time():
                self._timer = loop.call_at(first.due_at, self._look)
                return
            del self._under_way[first]
            first.is_given_up = True
            first.task.cancel()


class Places:
    """So many have a place at once; so many more wait for one, and so long."""

    def __init__(self, size: int, *, waiting_max: int, patience: Deadline) -> None:
        """Make them, all free."""
        self.waiting = 0
        self._free = asyncio.Semaphore(size)
        self._waiting_max = waiting_max
        self._patience = patience

    async def enter(self) -> None:
        """Take a place.

        Raises TooBusy where too many wait for one already, and TimeoutError where none was left in
        time.
        """
        if not self._free.locked():
            await self._free.acquire()  # at once: a timer would be most of what it costs
            return
        if self.waiting >= self._waiting_max:
            raise TooBusy
        self.waiting += 1
        try:
            await self._patience.keep(self._free.acquire())
        finally:
            self.waiting -= 1

    def leave(self) -> None:
        """Make room for the next."""
        self._free.release()
