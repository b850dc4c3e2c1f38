"""Checks that arrive at the same moment are answered by the same statement.

For one address, getting to the database and back costs far more than its index does. Nothing waits
for company: what has come when a statement is sent is in it, and what comes meanwhile is in the
next one. So a check sees every opt-out that was answered before it was asked (promise 5).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from prefsvc.address import Channel
from prefsvc.db.connection import Database
from prefsvc.suppressions import AT_ONCE_MAX, States, active

_Feed = tuple[int, Channel]


@dataclass(slots=True, eq=False)
class _Asked:
    keys: Sequence[bytes]
    answer: "asyncio.Future[States]"

    def settle(self, outcome: States | Exception) -> None:
        """Answer, unless whoever asked has gone away."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


@dataclass(slots=True)
class Checks:
    """The checks of this process that wait to be sent, by brand and channel."""

    database: Database
    statements_at_once_max: int
    _waiting: dict[_Feed, list[_Asked]] = field(default_factory=dict)
    _sending: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def ask(self, brand_id: int, channel: Channel, keys: Sequence[bytes]) -> States:
        """Return what suppresses these addresses, at most AT_ONCE_MAX; others may be among them."""
        asked = _Asked(keys, asyncio.get_running_loop().create_future())
        self._waiting.setdefault((brand_id, channel), []).append(asked)
        if len(self._sending) < self.statements_at_once_max:
            task = asyncio.create_task(self._send(), name="checks")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await asked.answer

    async def _send(self) -> None:
        """Answer those who wait, until nobody does."""
        while self._waiting:
            feed, every = self._next()
            outcome: States | Exception
            try:
                outcome = await self._look(feed, every)
            except Exception as error:  # noqa: BLE001 - each of them raises it where it asked
                outcome = error
            for asked in every:
                asked.settle(outcome)

    async def _look(self, feed: _Feed, every: list[_Asked]) -> States:
        brand_id, channel = feed
        async with self.database.look() as tx:
            keys = list(chain.from_iterable(asked.keys for asked in every))
            return await active(tx, brand_id, channel, keys)

    def _next(self) -> tuple[_Feed, list[_Asked]]:
        """Take as many as one statement can carry off those who wait, and whom they ask about."""
        feed, waiting = next(iter(self._waiting.items()))
        taken, count = 1, len(waiting[0].keys)
        while taken < len(waiting) and count + len(waiting[taken].keys) <= AT_ONCE_MAX:
            count += len(waiting[taken].keys)
            taken += 1
        del self._waiting[feed]
        if rest := waiting[taken:]:
            self._waiting[feed] = rest
        return feed, waiting[:taken]
