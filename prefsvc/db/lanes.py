"""Lanes to the database: each kind of work has so many of a process's connections, and no more.

So long reads, slow calls and loops leave the intake of opt-outs what it needs, and it may have them
all. Whoever comes while too many wait is told to come later, rather than let everybody wait longer.
"""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal, TypeAlias

from prefsvc.bounded import Deadline, Places
from prefsvc.errors import TooBusy

Lane: TypeAlias = Literal["intake", "lists", "streams", "loops", "rest"]

_lane: ContextVar[Lane | None] = ContextVar("lane", default=None)
_holders: Final[set["asyncio.Task[Any] | None"]] = set()

PRIVILEGED: Final[Lane] = "intake"


@contextmanager
def lane(name: Lane) -> Iterator[None]:
    """Do the block's work, and what it begins, in this lane."""
    token = _lane.set(name)
    try:
        yield
    finally:
        _lane.reset(token)


def enter(name: Lane) -> None:
    """Do all that this task still does, and what it begins, in this lane."""
    _lane.set(name)


class Lanes:
    """The lanes of one process; work in none (a command's) waits for the pool alone."""

    def __init__(
        self,
        sizes: Mapping[Lane, int],
        waiting_max: Mapping[Lane, int],
        *,
        timeout_seconds: float,
    ) -> None:
        """Give each lane its size, and say how many may wait in it, and how long."""
        patience = Deadline(timeout_seconds)
        self._places = {
            name: Places(size, waiting_max=waiting_max[name], patience=patience)
            for name, size in sizes.items()
        }
        self._used_at: dict[Lane, float] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a place in the lane we are in, and have it for the block."""
        name = _lane.get()
        places = self._places.get(name) if name else None
        if name is None or places is None:
            yield
            return
        try:
            await places.enter()
        except TimeoutError:
            if name == PRIVILEGED:
                raise  # the database is stuck, for what is done in this lane is short
            raise TooBusy from None
        try:
            yield
        finally:
            places.leave()
            self._used_at[name] = asyncio.get_running_loop().time()

    def is_used(self, name: Lane, *, within_seconds: float) -> bool:
        """Say whether somebody's work in a lane ended so short a time ago."""
        now = asyncio.get_running_loop().time()
        return now - self._used_at.get(name, -within_seconds) < within_seconds


@contextmanager
def holding() -> Iterator[None]:
    """Hold a connection for the block; warn where this task holds one already.

    Who holds one and waits for another may wait for somebody who does the same. Tests turn the
    warning into an error.
    """
    task = asyncio.current_task()
    if task in _holders:
        warnings.warn(
            "a second connection is taken while one is held", RuntimeWarning, stacklevel=2
        )
    _holders.add(task)
    try:
        yield
    finally:
        _holders.discard(task)
