"""A loop that is broken off ends, whatever happens in the same moment."""

import asyncio

from prefsvc.work.loops import repeat

PATIENCE_SECONDS = 30
NEVER_SECONDS = 3600


async def ended(loop):
    """Say whether it ends by itself; if not, end it."""
    await asyncio.wait({loop}, timeout=PATIENCE_SECONDS)
    was_ended = loop.done()
    while not loop.done():
        loop.cancel()
        await asyncio.sleep(0)
    return was_ended


async def test_a_loop_that_is_broken_off_in_the_moment_in_which_its_bell_rings_ends():
    rounds, bell = [], asyncio.Event()

    async def work():
        rounds.append(1)

    loop = asyncio.create_task(repeat("work", asyncio.Event(), NEVER_SECONDS, work, waker=bell))
    for _ in range(9):
        await asyncio.sleep(0)  # it does its round, and waits for the bell
    bell.set()
    loop.cancel()
    assert await ended(loop)
    assert len(rounds) == 1


async def test_a_loop_ends_whose_round_made_a_failure_of_being_broken_off():
    begun = asyncio.Event()

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError from None

    loop = asyncio.create_task(repeat("work", asyncio.Event(), NEVER_SECONDS, work))
    await begun.wait()
    loop.cancel()
    assert await ended(loop)
