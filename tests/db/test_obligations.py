import asyncio
import random
from datetime import timedelta

import pytest

from prefsvc import installation, obligations, opt_outs, senders, tallies
from prefsvc.db.connection import Tx, single
from prefsvc.obligations import Obligations
from prefsvc.standing import NOTHING_OWED
from tests.support.owing import (
    acknowledge_part,
    add_sender,
    owed_by_all,
    owed_row_by_row,
    tally,
)
from tests.support.register import act, address_in, record, workload

BUCKET = 5
NAMES = {"first": "email", "second": "email", "texter": "sms"}


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of four positions, so that a small ledger has many of them."""
    monkeypatch.setattr(tallies, "BLOCK_POSITIONS", 4)


@pytest.fixture
async def three(service):
    """Two mailers and a texter, which have acknowledged nothing."""
    for slug, channel in NAMES.items():
        await add_sender(service, slug, channel)
    return service


async def reckoned(service):
    return {slug: await owed_row_by_row(service, slug) for slug in NAMES}


async def stop(service, *numbers, bucket=BUCKET):
    for number in numbers:
        await record(service, act(service, address_in(service, bucket, number=number)))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(6))
async def test_it_is_what_reading_row_by_row_finds_in_every_process(three, seed):
    choose = random.Random(seed)
    busy, seldom_asked = Obligations(), Obligations()
    for step in range(12):
        await workload(three, steps=5, seed=seed * 100 + step)
        if choose.random() < 0.5:
            await tally(three)
        for slug in NAMES:
            if choose.random() < 0.4:
                await acknowledge_part(three, slug, choose)
        expected = await reckoned(three)
        assert await owed_by_all(three, busy) == expected
        assert await owed_by_all(three, Obligations()) == expected
        if choose.random() < 0.3:
            assert await owed_by_all(three, seldom_asked) == expected
    assert await owed_by_all(three, seldom_asked) == expected
    assert any(owed.count for owed in expected.values())


@pytest.mark.filterwarnings("ignore:a second connection:RuntimeWarning")
@pytest.mark.usefixtures("small_blocks")
async def test_one_asked_alone_owes_what_it_owes_among_all(three):
    await workload(three, steps=20, seed=1)
    brand = three.book.get("acme")
    async with three.database.read() as tx:
        for sender in await senders.every(tx, brand):
            standing = await senders.standing(tx, Obligations(), brand, sender)
            assert standing.owed.count == (await owed_row_by_row(three, sender.slug)).count


async def test_another_history_begins_anew(three):
    memo = Obligations()
    await stop(three, 0, 1)
    await acknowledge_part(three, "first", random.Random(1))
    await owed_by_all(three, memo)
    async with three.database.transaction() as tx:
        history = await tx.conn.fetchval("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")
    assert (await owed_by_all(three, memo))["first"].count == 2


@pytest.fixture
async def second(database_url):
    """A connection outside the pool, to hold a transaction open on."""
    async with single(database_url) as conn:
        yield conn


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_what_is_not_committed_is_not_owed_and_not_remembered(three, second, ending):
    memo = Obligations()
    await stop(three, 0)
    held = second.transaction()
    await held.start()
    await opt_outs.record(
        Tx(second, three.now()), three.vault, [act(three, address_in(three, BUCKET, number=1))]
    )
    await stop(three, 0, bucket=BUCKET + 1)
    assert (await owed_by_all(three, memo))["first"].count == 2
    await getattr(held, ending)()
    await stop(three, 2)
    assert (await owed_by_all(three, memo)) == await reckoned(three)


async def test_many_who_ask_at_once_hear_the_same(three):
    memo = Obligations()
    await workload(three, steps=10, seed=2)
    answers = await asyncio.gather(*[owed_by_all(three, memo) for _ in range(8)])
    assert answers == [await reckoned(three)] * 8
    await workload(three, steps=5, seed=3)
    answers = await asyncio.gather(*[owed_by_all(three, memo) for _ in range(8)])
    assert answers == [await reckoned(three)] * 8


async def statements(service, memo):
    """Ask what every sender owes; return how many statements that took beside reading them."""
    counted = []
    brand = service.book.get("acme")
    async with service.database.read() as tx:
        every = await senders.every(tx, brand)
        end = await obligations.head(tx, brand)
        with tx.conn.query_logger(counted.append):
            await memo.owed_by(tx, brand, every, end)
    return len(counted)


@pytest.mark.usefixtures("small_blocks")
async def test_asking_again_costs_nothing_and_news_one_statement_for_all(three):
    memo = Obligations()
    await stop(three, *range(30))
    await tally(three)
    # The tallies of the bucket, in one statement, and the two rows that are in no block yet.
    assert await statements(three, memo) == 2
    assert await statements(three, memo) == 0
    await stop(three, 30)
    assert await statements(three, memo) == 1
    for number in range(20):
        await add_sender(three, f"more-{number}")
    assert await statements(three, memo) == 2


@pytest.mark.usefixtures("small_blocks")
async def test_tallied_blocks_are_not_read_again(three):
    await stop(three, *range(30))
    await tally(three)
    expected = await reckoned(three)
    await three.database.pool.execute("delete from preference_event where position <= 28")
    assert await owed_by_all(three, Obligations()) == expected


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("gone", ["block = 0", "block = 3", "channel = 'email'", "true"])
async def test_missing_tallies_only_cost_time(three, gone):
    await stop(three, *range(30))
    await tally(three)
    await three.database.pool.execute(f"delete from feed_tally where {gone}")
    assert await owed_by_all(three, Obligations()) == await reckoned(three)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("tallied", [True, False])
async def test_the_first_to_fall_due_is_found(three, tallied):
    brand = three.book.get("acme")
    for number, days in enumerate([3, 9, 1, 9, 2, 0, 4]):
        await record(
            three,
            act(
                three,
                address_in(three, BUCKET + number % 2, number=number),
                received_at=three.now() - timedelta(days=days),
            ),
        )
    if tallied:
        await tally(three)
    async with three.database.read() as tx:
        sender = await senders.find(tx, brand, "first")
        owed = (await senders.standing(tx, Obligations(), brand, sender)).owed
        found = await obligations.first_due(tx, brand, sender, owed)
        earliest = await tx.conn.fetchrow(
            "select event_id, bucket, position from preference_event"
            " order by deadline_at, bucket, position limit 1"
        )
        assert found == tuple(earliest)
        texter = await senders.find(tx, brand, "texter")
        assert await obligations.first_due(tx, brand, texter, NOTHING_OWED) is None
