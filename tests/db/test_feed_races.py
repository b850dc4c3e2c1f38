import asyncio

import asyncpg
import pytest

from prefsvc import feeds, opt_outs, suppressions
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from prefsvc.db.connection import Tx, single
from tests.support.lists import apply_page
from tests.support.register import act, address_in, record, withdraw, workload
from tests.support.waiting import until

WAITING = """
select count(*) from pg_stat_activity
where wait_event_type = 'Lock' and datname = current_database()
"""


class Reader:
    """A sender that follows the feed as pages come, applying each."""

    def __init__(self, service, channel="email", size=3):
        self.service, self.channel, self.size = service, channel, size
        self.brand = service.book.get("acme")
        self.cursor = None
        self.positions, self.suppressed = {}, {}

    async def page(self):
        async with self.service.database.read() as tx:
            if self.cursor is None:
                end = await suppressions.head(tx, self.brand)
                self.cursor = Cursor.start(end.epoch, self.brand.brand_id)
            page = await feeds.page_after(
                tx, self.service.vault, self.brand, self.channel, self.cursor, size=self.size
            )
        apply_page(
            [{"bucket": s.bucket, "first": s.first, "last": s.last} for s in page.spans],
            [_change(change) for change in page.changes],
            self.positions,
            self.suppressed,
        )
        self.cursor = page.cursor
        return page

    async def follow(self, done):
        while not done.is_set() or (await self.page()).has_more:
            await self.page()
            await asyncio.sleep(0)
        while (await self.page()).has_more:
            pass


def _change(change):
    return {
        "bucket": change.bucket,
        "position": change.position,
        "change": change.effect,
        "sha256": change.sha256.hex(),
        "scope": change.scope,
        "topic": change.topic,
        "reason": change.reason,
        "deadline_at": change.deadline_at.isoformat() if change.deadline_at else None,
    }


async def standing(service, channel="email"):
    """What the register itself holds now."""
    rows = await service.database.pool.fetch(
        "select encode(sha256(convert_to(a.canonical, 'UTF8')), 'hex') as sha256, s.scope, "
        "nullif(s.topic, '') as topic, s.reason, s.deadline_at "
        "from suppression as s join address as a using (bucket, address_key) "
        "where s.active and s.channel = $1 and s.brand_id = $2",
        channel,
        service.book.get("acme").brand_id,
    )
    return {tuple(row)[:4]: row["deadline_at"] for row in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_readers_beside_writers_end_with_what_stands(service, seed):
    done = asyncio.Event()
    readers = [Reader(service, channel, size) for channel in ("email", "sms") for size in (1, 50)]
    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.follow(done))
        writers = [
            group.create_task(workload(service, steps=12, seed=seed * 100 + n)) for n in range(4)
        ]
        await asyncio.gather(*writers)
        done.set()
    for reader in readers:
        assert reader.suppressed == await standing(service, reader.channel)
    assert readers[0].suppressed


@pytest.fixture
async def second(database_url):
    """A connection outside the pool, to hold open, abort and kill."""
    async with single(database_url) as conn:
        yield conn


async def begin_and_write(service, conn, *acts):
    """Write in a transaction that stays open: positions are given out, nothing is committed."""
    transaction = conn.transaction()
    await transaction.start()
    await opt_outs.record(Tx(conn, service.now()), service.vault, acts)
    return transaction


async def test_a_transaction_held_open_is_never_overtaken(service, second):
    reader = Reader(service)
    held = await begin_and_write(service, second, act(service, address_in(service, 5)))
    # A later writer to the same place waits for it; those of other places do not.
    waiting = asyncio.create_task(record(service, act(service, address_in(service, 5, number=1))))
    await record(service, act(service, address_in(service, 6)))
    await until_one_waits(service)
    await reader.page()
    assert set(reader.positions) == {6}
    assert not waiting.done()
    await held.commit()
    await waiting
    await reader.page()
    assert reader.positions == {5: 2, 6: 1}
    assert reader.suppressed == await standing(service)
    assert len(reader.suppressed) == 3


async def test_an_aborted_transaction_leaves_no_gap(service, second):
    reader = Reader(service)
    await record(service, act(service, address_in(service, 5)))
    held = await begin_and_write(service, second, act(service, address_in(service, 5, number=1)))
    await reader.page()
    await held.rollback()
    await record(service, act(service, address_in(service, 5, number=2)))
    await reader.page()
    assert reader.positions == {5: 2}
    assert reader.suppressed == await standing(service)
    assert len(reader.suppressed) == 2


async def test_a_backend_killed_before_its_commit_leaves_no_gap(service, second):
    reader = Reader(service)
    held = await begin_and_write(service, second, act(service, address_in(service, 5)))
    waiting = asyncio.create_task(record(service, act(service, address_in(service, 5, number=1))))
    await until_one_waits(service)
    pid = second.get_server_pid()
    assert await service.database.pool.fetchval("select pg_terminate_backend($1)", pid)
    [recorded] = await waiting
    assert recorded.is_new
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await held.commit()
    await reader.page()
    assert reader.positions == {5: 1}
    assert reader.suppressed == await standing(service)
    assert len(reader.suppressed) == 1


async def until_one_waits(service):
    """Return once some backend of this database waits for a lock."""
    await until(lambda: service.database.pool.fetchval(WAITING))


async def test_writers_stalled_aborted_and_killed_lose_nothing_to_readers(service, database_url):
    done = asyncio.Event()
    readers = [Reader(service, size=size) for size in (1, 7)]
    async with asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.follow(done))
        for number in range(12):
            one = address_in(service, 5, number=number)
            async with single(database_url) as conn:
                held = await begin_and_write(service, conn, act(service, one))
                waiting = asyncio.create_task(
                    record(service, act(service, address_in(service, 5, number=number + 20)))
                )
                await until_one_waits(service)
                await end(service, conn, held, how=number % 3)
                await waiting
                if number % 2:
                    await withdraw(service, act(service, one, source="sms_reply"))
        done.set()
    for reader in readers:
        assert reader.suppressed == await standing(service)


async def end(service, conn, held, *, how):
    if how == 0:
        await held.commit()
    elif how == 1:
        await held.rollback()
    else:
        pid = conn.get_server_pid()
        await service.database.pool.fetchval("select pg_terminate_backend($1)", pid)


async def test_positions_are_dense_whatever_happened(service):
    await asyncio.gather(*[workload(service, steps=10, seed=seed) for seed in range(4)])
    rows = await service.database.pool.fetch(
        "select h.position as head, array_agg(e.position order by e.position) as positions "
        "from feed_head as h join preference_event as e using (bucket, brand_id) "
        "group by h.bucket, h.brand_id, h.position"
    )
    assert rows
    for row in rows:
        assert row["positions"] == list(range(1, row["head"] + 1))


async def test_a_page_covers_no_more_positions_than_asked_for(service):
    for number in range(5):
        await record(service, act(service, address_in(service, 5, number=number)))
        await record(service, act(service, address_in(service, 9, number=number)))
    reader = Reader(service, size=4)
    pages = [await reader.page() for _ in range(3)]
    assert [sum(s.last - s.first + 1 for s in page.spans) for page in pages] == [4, 4, 2]
    assert [page.has_more for page in pages] == [True, True, False]
    assert reader.positions == {5: 5, 9: 5}


async def test_a_change_whose_address_is_gone_stops_the_feed(service):
    await record(service, act(service, address_in(service, 5)))
    await service.database.pool.execute("delete from address")
    with pytest.raises(LookupError, match="ledger verify"):
        await Reader(service).page()


async def test_a_bucket_is_locked_before_it_is_read(service):
    one = address_in(service, 5)
    await asyncio.gather(*[record(service, act(service, one)) for _ in range(20)])
    async with service.database.read() as tx:
        heads = await queries.brand_heads(tx.conn, brand_id=service.book.get("acme").brand_id)
    assert [(head.bucket, head.position) for head in heads] == [(5, 1)]
