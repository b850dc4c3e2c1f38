"""Group commit: opt-outs that come at the same time share a transaction and its flush.

What is queued at the moment goes into one transaction, no timer; each caller is answered after its
commit. Alone, an opt-out is committed at once. A batch that takes long, because somebody else holds
a lock, does not hold up those behind it; and one act that cannot be stored fails by itself.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import asyncpg

from prefsvc.act import Act
from prefsvc.db.away import AWAY
from prefsvc.db.lanes import PRIVILEGED, lane
from prefsvc.errors import TooBusy
from prefsvc.recorded import Recorded

Commit = Callable[[Sequence[Act]], Awaitable[list[Recorded]]]
"""Records acts in one transaction; what it returns is durable."""

_QUIET_TURNS: Final = 3
PATIENCE_SECONDS: Final = 0.1
"""So long a batch is waited for before the next one begins beside it."""


@dataclass(slots=True)
class _Caller:
    """Somebody who waits for their acts to be recorded."""

    acts: Sequence[Act]
    answer: "asyncio.Future[list[Recorded]]"

    def recorded(self, made: list[Recorded]) -> None:
        if not self.answer.done():
            self.answer.set_result(made)

    def failed(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class GroupCommit:
    """Records what is queued together, and answers each caller."""

    def __init__(
        self, commit: Commit, *, acts_max: int, waiting_max: int, at_once_max: int
    ) -> None:
        """Commit up to `acts_max` acts together, with up to `at_once_max` batches under way.

        More than `waiting_max` acts may not wait: then whoever comes is told to try again.
        """
        self._commit = commit
        self._acts_max = acts_max
        self._waiting_max = waiting_max
        self._at_once_max = at_once_max
        self._queue: deque[_Caller] = deque()
        self._waiting = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None

    async def record(self, acts: Sequence[Act]) -> list[Recorded]:
        """Record opt-outs; durable when this returns."""
        if self._waiting + len(acts) > self._waiting_max:
            raise TooBusy
        caller = _Caller(acts, asyncio.get_running_loop().create_future())
        self._queue.append(caller)
        self._waiting += len(acts)
        if self._serving is None:
            with lane(PRIVILEGED):  # whoever comes first, an opt-out waits in no other lane
                self._serving = asyncio.create_task(self._serve(), name="group commit")
        return await caller.answer

    async def _serve(self) -> None:
        """Commit batch after batch until nobody waits; one may overtake another that is stuck."""
        try:
            while self._queue:
                if len(self._under_way) >= self._at_once_max:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                    continue
                await self._gathered()
                working = asyncio.create_task(self._together(self._batch()))
                self._under_way.add(working)
                working.add_done_callback(self._under_way.discard)
                await asyncio.wait({working}, timeout=PATIENCE_SECONDS)
        finally:
            self._serving = None

    async def _gathered(self) -> None:
        """Let those in who are on their way: whose requests have come, and are being read.

        No timer: as soon as nobody came in a few turns of the loop, nobody is waited for. Else the
        first of many to come would be committed alone, and all others wait for that.
        """
        quiet = 0
        while quiet < _QUIET_TURNS and self._waiting < self._acts_max:
            before = self._waiting
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._waiting == before else 0

    def _batch(self) -> list[_Caller]:
        """Take those who wait longest, as many as one transaction may have."""
        batch: list[_Caller] = []
        count = 0
        while self._queue and (not batch or count + len(self._queue[0].acts) <= self._acts_max):
            caller = self._queue.popleft()
            count += len(caller.acts)
            batch.append(caller)
        self._waiting -= count
        return batch

    async def _together(self, batch: Sequence[_Caller]) -> None:
        """Commit a batch; where that fails, see that each fails only for its own fault."""
        callers = [one for one in batch if not one.answer.done()]  # some have gone away
        if not callers:
            return
        try:
            recorded = iter(await self._commit([act for one in callers for act in one.acts]))
        except asyncpg.LockNotAvailableError as error:
            await self._apart(callers, error, _by_place(callers))
        except AWAY as error:
            for one in callers:
                one.failed(error)
        except Exception as error:  # noqa: BLE001 - it is the caller's to hear of
            await self._apart(callers, error, [[one] for one in callers])
        else:
            for one in callers:
                one.recorded(list(islice(recorded, len(one.acts))))

    async def _apart(
        self, callers: Sequence[_Caller], error: Exception, parts: Sequence[Sequence[_Caller]]
    ) -> None:
        """Try the parts of a batch by themselves; what cannot be parted has failed."""
        if len(parts) > 1:
            await asyncio.gather(*[self._together(part) for part in parts])
            return
        for one in callers:
            one.failed(error)


def _by_place(callers: Sequence[_Caller]) -> list[list[_Caller]]:
    """Part callers by what they lock first, so that those who wait for nobody are served."""
    parts: dict[object, list[_Caller]] = {}
    for one in callers:
        parts.setdefault(min(act.place for act in one.acts), []).append(one)
    return list(parts.values())
