"""The round that tallies the ledger, so that what senders owe is summed without reading it."""

from collections.abc import Awaitable, Callable

from prefsvc import tallies
from prefsvc.doors import Service
from prefsvc.tallies import BLOCKS_A_ROUND, Reached


def tallying(service: Service) -> Callable[[], Awaitable[None]]:
    """Return the round that tallies every block completed since the last."""
    reached = Reached()

    async def make() -> None:
        made = BLOCKS_A_ROUND
        while made == BLOCKS_A_ROUND and not service.stopping.is_set():
            async with service.database.transaction() as tx:
                made = await tallies.make(tx, reached)

    return make
