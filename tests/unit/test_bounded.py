"""So long and no longer, for many at once."""

import asyncio

import pytest

from prefsvc.bounded import Deadline


@pytest.fixture
def deadline():
    return Deadline(0.05)


async def answered():
    await asyncio.sleep(0)
    return "answer"


async def test_what_ends_in_time_is_returned_or_raised(deadline):
    async def failing():
        raise ZeroDivisionError

    assert await deadline.keep(answered()) == "answer"
    with pytest.raises(ZeroDivisionError):
        await deadline.keep(failing())


async def test_each_of_many_is_given_up_at_its_own_time(deadline):
    loop = asyncio.get_running_loop()

    async def late(seconds):
        await asyncio.sleep(seconds)
        began = loop.time()
        with pytest.raises(TimeoutError):
            await deadline.keep(asyncio.Event().wait())
        return loop.time() - began

    took = await asyncio.gather(*[late(n / 100) for n in range(6)])
    assert min(took) >= 0.045


async def test_one_that_is_given_up_leaves_its_task_as_it_was(deadline):
    with pytest.raises(TimeoutError):
        await deadline.keep(asyncio.Event().wait())
    assert asyncio.current_task().cancelling() == 0
    assert await deadline.keep(answered()) == "answer"


async def test_one_that_cleans_up_in_its_own_way_is_not_cancelled_for_ever(deadline):
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ZeroDivisionError from None

    with pytest.raises(ZeroDivisionError):
        await deadline.keep(stubborn())
    assert asyncio.current_task().cancelling() == 0


async def test_who_is_cancelled_by_somebody_else_is_cancelled(deadline):
    task = asyncio.create_task(deadline.keep(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_those_that_ended_keep_no_timer_from_those_that_come_after(deadline):
    loop = asyncio.get_running_loop()
    assert await deadline.keep(answered()) == "answer"
    await asyncio.sleep(0.03)
    began = loop.time()
    with pytest.raises(TimeoutError):
        await deadline.keep(asyncio.Event().wait())
    assert loop.time() - began >= 0.045
