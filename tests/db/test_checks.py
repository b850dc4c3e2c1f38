"""Checks that are asked at the same moment share statements, and nobody sees a difference."""

import asyncio

import asyncpg
import pytest

from prefsvc import checks, suppressions
from prefsvc.suppressions import AT_ONCE_MAX
from tests.support.register import act, record


def key_of(service, number):
    return act(service, f"p{number}@example.org").recipient.address_key


async def stop(service, *numbers):
    await record(service, *[act(service, f"p{number}@example.org") for number in numbers])


def asking(service, *numbers, brand="acme"):
    keys = [key_of(service, number) for number in numbers]
    return service.checks.ask(service.book.get(brand).brand_id, "email", keys)


async def test_each_of_many_checks_at_once_is_answered_about_its_own_address(service):
    count = 3 * AT_ONCE_MAX
    stopped = set(range(0, count, 7))
    await stop(service, *stopped)
    answers = await asyncio.gather(*[asking(service, number) for number in range(count)])
    found = {number for number in range(count) if key_of(service, number) in answers[number]}
    assert found == stopped


async def test_checks_of_several_addresses_share_statements_too(service):
    await stop(service, 1, 100, 200)
    parts = [range(start, start + 100) for start in range(0, 500, 100)]
    answers = await asyncio.gather(*[asking(service, *part) for part in parts])
    for part, answer in zip(parts, answers, strict=True):
        found = {number for number in part if key_of(service, number) in answer}
        assert found == {1, 100, 200} & set(part)


async def test_checks_at_once_of_two_brands_do_not_mix(service):
    await stop(service, 1)
    acmes, globexs = await asyncio.gather(asking(service, 1), asking(service, 1, brand="globex"))
    assert key_of(service, 1) in acmes
    assert globexs == {}


async def test_a_check_sees_every_opt_out_that_was_answered_before_it(service):
    """Promise 5, while statements of others are under way all the time."""
    done = asyncio.Event()

    async def others():
        while not done.is_set():
            await asyncio.gather(*[asking(service, number) for number in range(1000, 1016)])

    busy = [asyncio.create_task(others()) for _ in range(4)]
    for number in range(50):
        await stop(service, number)
        assert key_of(service, number) in await asking(service, number)
    done.set()
    await asyncio.gather(*busy)


async def test_a_statement_that_fails_is_told_to_those_in_it_alone(service):
    keys = [key_of(service, 1)]
    failing = [service.checks.ask(1 << 40, "email", keys) for _ in range(3)]
    answers = await asyncio.gather(*failing, asking(service, 1), return_exceptions=True)
    assert [type(answer) for answer in answers[:3]] == [asyncpg.DataError] * 3
    assert answers[3] == {}
    assert await asking(service, 1) == {}


async def test_one_who_goes_away_disturbs_nobody(service):
    await stop(service, 1)
    gone, stays = (asyncio.create_task(asking(service, 1)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert key_of(service, 1) in await stays
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_nobody_is_asked_about(service):
    assert await asking(service) == {}


@pytest.fixture
def slow(monkeypatch):
    """The first statement takes until it is let go."""
    let_go, sent = asyncio.Event(), []

    async def active(tx, brand_id, channel, keys):
        sent.append(keys)
        if len(sent) == 1:
            await let_go.wait()
        return await suppressions.active(tx, brand_id, channel, keys)

    monkeypatch.setattr(checks, "active", active)
    return let_go


async def test_a_statement_that_takes_long_holds_up_nobody_behind_it(service, slow):
    await stop(service, 1, 2)
    first = asyncio.create_task(asking(service, 1))
    await asyncio.sleep(0)
    for _ in range(3):
        assert key_of(service, 2) in await asyncio.wait_for(asking(service, 2), 10)
    assert not first.done()
    slow.set()
    assert key_of(service, 1) in await first


async def test_no_more_statements_than_allowed_are_under_way_however_long_they_take(service, slow):
    service.checks.statements_at_once_max = 1
    first, second = (asyncio.create_task(asking(service, number)) for number in (1, 2))
    await asyncio.sleep(2 * checks.PATIENCE_SECONDS)
    assert not first.done()
    assert not second.done()
    slow.set()
    assert [await first, await second] == [{}, {}]
