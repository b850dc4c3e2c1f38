"""What the doors hold of the spool: whether the database is away, and a place for what comes then.

Items that come at the same time share a flush. SQLite is spoken to in a thread of its own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from prefsvc import metrics
from prefsvc.errors import SpoolFull
from prefsvc.spool.items import Item, encode
from prefsvc.spool.store import FILE, Standing, Store

_T = TypeVar("_T")
_AT_ONCE: Final = 512
"""How many items share a flush at the most."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """How it stands, for whoever watches."""

    is_away: bool
    standing: Standing


class Spool:
    """Keeps what the database could not take, on this machine's disk."""

    def __init__(self, folder: Path, *, items_max: int, bytes_max: int) -> None:
        """Use the file in this folder, once there is need for it."""
        self.folder = folder
        self.is_away = False
        """Whether the database is known not to answer; then nobody waits for it."""
        self.doubted = asyncio.Event()
        """Set when the loop that asks the database has to look at once."""
        self._is_doubted = True
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._store: Store | None = None
        self._waiting = 0
        self._queue: list[tuple[datetime, bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, item: Item, now: datetime) -> None:
        """Keep an item; it is on the disk when this returns.

        Raises SpoolFull, or SpoolUnusable; then nothing is kept and the caller is to try again.
        """
        if self._waiting + len(self._queue) >= self._items_max:
            raise SpoolFull
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((now, encode(item), done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="spool")
        await done
        metrics.SPOOLED.inc()
        self.doubt()

    def doubt(self) -> None:
        """Have the database asked: somebody waited for it in vain, or something waits for it."""
        self._is_doubted = True
        self.doubted.set()

    def take_doubt(self) -> bool:
        """Say whether there was any doubt, and forget it."""
        was_doubted, self._is_doubted = self._is_doubted, False
        return was_doubted

    def note(self, *, is_away: bool) -> None:
        """Note whether the database answers."""
        self.is_away = is_away
        metrics.DATABASE_AWAY.set(is_away)

    async def use(self, work: Callable[[Store], _T]) -> _T:
        """Do something with the file, in its thread; raises SpoolUnusable."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    async def state(self, *, must_open: bool = False) -> SpoolState:
        """Return how it stands; raises SpoolUnusable.

        Where there is no file yet, nothing is in it; `must_open` sees whether one can be made.
        """
        is_there = must_open or self._store is not None or (self.folder / FILE).exists()
        standing = await self.use(Store.standing) if is_there else Standing(0, None, 0)
        self._waiting = standing.waiting
        metrics.SPOOL_WAITING.set(standing.waiting)
        metrics.SPOOL_SET_ASIDE.set(standing.set_aside)
        return SpoolState(self.is_away, standing)

    def close(self) -> None:
        """Let go of the file, after what is being written."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _work(self, work: Callable[[Store], _T]) -> _T:
        if self._store is None:
            self._store = Store(self.folder, bytes_max=self._bytes_max)
        return work(self._store)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()

    async def _write(self) -> None:
        try:
            while self._queue:
                batch = self._queue[:_AT_ONCE]
                del self._queue[:_AT_ONCE]
                await self._write_together(batch)
        finally:
            self._writing = None

    async def _write_together(
        self, batch: list[tuple[datetime, bytes, "asyncio.Future[None]"]]
    ) -> None:
        contents = [(at, content) for at, content, _ in batch]
        error: Exception | None = None
        try:
            await self.use(lambda store: store.keep(contents))
            self._waiting += len(batch)
        except Exception as failed:  # noqa: BLE001 - each who waits is to hear of it
            error = failed
        for _, _, done in batch:
            if done.done():
                continue
            if error:
                done.set_exception(error)
            else:
                done.set_result(None)
