"""Lanes to the database: what one kind of work holds, another never waits for."""

import asyncio
import warnings

import pytest

from prefsvc.db.connection import connect
from prefsvc.db.lanes import Lanes, lane
from prefsvc.errors import TooBusy
from tests.support.waiting import until

SIZES = {"intake": 4, "rest": 2}


@pytest.fixture
async def database(database_url):
    lanes = Lanes(SIZES, {"intake": 2, "rest": 2}, timeout_seconds=0.5)
    async with connect(database_url, pool_size=4, connect_timeout_seconds=5, lanes=lanes) as made:
        yield made


class Holders:
    """Work that holds connections until it is let go."""

    def __init__(self, database):
        self.database, self.let_go = database, asyncio.Event()
        self.holding, self.tasks = 0, []

    async def hold(self, name):
        with lane(name):
            async with self.database.read():
                self.holding += 1
                await self.let_go.wait()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.let_go.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def add(self, name, count):
        self.tasks += [asyncio.create_task(self.hold(name)) for _ in range(count)]
        before = self.holding
        await until(lambda: self.holding >= before + count)


async def test_a_full_lane_takes_no_connection_of_another(database):
    async with Holders(database) as rest:
        await rest.add("rest", 2)
        with lane("intake"):
            for _ in range(8):
                async with database.transaction() as tx:
                    assert await tx.conn.fetchval("select 1") == 1


async def test_who_waits_too_long_in_a_full_lane_is_told_to_come_later(database):
    async with Holders(database) as rest:
        await rest.add("rest", 2)
        with lane("rest"), pytest.raises(TooBusy):
            async with database.read():
                pass


async def test_where_too_many_wait_already_the_next_is_told_at_once(database):
    async with Holders(database) as rest:
        await rest.add("rest", 2)
        waiting = [asyncio.create_task(rest.hold("rest")) for _ in range(2)]
        await asyncio.sleep(0)
        with lane("rest"), pytest.raises(TooBusy):
            async with database.read():
                pass
        assert not any(one.done() for one in waiting)
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in found] == [TooBusy, TooBusy]


async def test_opt_outs_may_have_every_connection_and_then_the_database_counts_as_away(database):
    async with Holders(database) as intake:
        await intake.add("intake", 4)
        with lane("intake"), pytest.raises(TimeoutError):
            async with database.read():
                pass


async def test_a_place_is_free_again_whatever_became_of_its_work(database):
    for _ in range(6):
        with lane("rest"), pytest.raises(ZeroDivisionError):
            async with database.transaction():
                _ = 1 / 0
    async with Holders(database) as rest:
        await rest.add("rest", 2)


async def test_work_in_no_lane_waits_for_the_pool_alone(database):
    async with Holders(database) as rest:
        await rest.add("rest", 2)
        async with database.read() as tx:
            assert await tx.conn.fetchval("select 1") == 1


async def test_a_second_connection_while_one_is_held_is_a_mistake(database):
    with pytest.raises(RuntimeWarning, match="second connection"):
        async with database.read(), database.read():
            pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with database.read() as one, database.read() as other:
            assert one.conn is not other.conn


async def test_it_is_known_whether_a_lane_was_used_a_moment_ago(database):
    lanes = database.lanes
    assert not lanes.is_used("intake", within_seconds=60)
    with lane("intake"):
        async with database.transaction() as tx:
            await tx.conn.fetchval("select 1")
    assert lanes.is_used("intake", within_seconds=60)
    assert not lanes.is_used("intake", within_seconds=0)
    assert not lanes.is_used("rest", within_seconds=60)
