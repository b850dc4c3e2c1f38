"""Checks that arrive at the same moment are answered by the same statement.

For one address, getting to the database and back costs far more than its index does. Nothing waits
for company: what has come when a statement is sent is in it, and what comes meanwhile is in the
next one, which goes out beside it where that takes long. So a check sees every opt-out that was
answered before it was asked (promise 5).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from prefsvc.address import Channel
from prefsvc.db.connection import Database, Tx
from prefsvc.suppressions import AT_ONCE_MAX, States, active

PATIENCE_SECONDS: Final = 0.005
"""So long a statement is waited for before the next one goes out beside it."""
STATEMENTS_IN_TURN: Final = 64
"""After so many a connection is given back, in case somebody waits for one."""

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
    _sending: "set[asyncio.Task[None] | None]" = field(default_factory=set)
    _patience: asyncio.TimerHandle | None = None
    _is_late: bool = False

    async def ask(self, brand_id: int, channel: Channel, keys: Sequence[bytes]) -> States:
        """Return what suppresses these addresses, at most AT_ONCE_MAX; others may be among them."""
        asked = _Asked(keys, asyncio.get_running_loop().create_future())
        self._waiting.setdefault((brand_id, channel), []).append(asked)
        if self._is_late or not self._sending:
            self._begin()
        return await asked.answer

    def _begin(self) -> None:
        """Answer those who wait beside whoever is being answered, unless that are too many."""
        if len(self._sending) >= self.statements_at_once_max:
            return
        self._have_patience()
        self._sending.add(asyncio.create_task(self._send(), name="checks"))

    def _have_patience(self) -> None:
        if self._patience:
            self._patience.cancel()
        self._is_late = False
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(PATIENCE_SECONDS, self._lose_patience)

    def _lose_patience(self) -> None:
        self._is_late = True
        if self._waiting:
            self._begin()

    async def _send(self) -> None:
        """Answer those who wait, until nobody does."""
        try:
            while self._waiting:
                await self._send_some()
        finally:
            # At once, so that whoever comes next does not count on us.
            self._sending.discard(asyncio.current_task())

    async def _send_some(self) -> None:
        try:
            async with self.database.look() as tx:
                await self._answer(tx)
        except Exception as error:  # noqa: BLE001 - each of them raises it where it asked
            self._fail(error)

    async def _answer(self, tx: Tx) -> None:
        """Send statement after statement while somebody waits, over one connection."""
        for _ in range(STATEMENTS_IN_TURN):
            if not self._waiting:
                return
            self._have_patience()
            (brand_id, channel), every = self._next()
            keys = list(chain.from_iterable(asked.keys for asked in every))
            try:
                states = await active(tx, brand_id, channel, keys)
            except Exception as error:  # noqa: BLE001 - the others may do better, elsewhere
                _settle(every, error)
                return
            _settle(every, states)

    def _fail(self, error: Exception) -> None:
        """Tell those who would have been in the next statement that there is no connection."""
        if self._waiting:
            _settle(self._next()[1], error)

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


def _settle(every: list[_Asked], outcome: States | Exception) -> None:
    for asked in every:
        asked.settle(outcome)
