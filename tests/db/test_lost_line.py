"""A line to the database that leads nowhere any more, and says nothing about it."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from prefsvc.db.connection import connect
from tests.support.wire import laid, socket_of, through

SECONDS = 0.3
"""How long the server is given for a statement."""
SOON = 20
"""In seconds: much longer than giving up takes, and less than for ever."""


@pytest.fixture
async def wire(database_url):
    async with laid(socket_of(database_url)) as wire:
        yield wire


@pytest.fixture
async def database(wire, database_url):
    """A pool with one connection, so that one that is not given up is missed."""
    dsn = through(wire, database_url)
    async with connect(dsn, pool_size=1, statement_timeout_seconds=SECONDS) as database:
        async with database.read() as tx:
            assert await tx.conn.fetchval("select 1") == 1
        yield database


@asynccontextmanager
async def soon():
    """Hold the block to its time; a timeout of asyncio's own could be taken for the driver's."""
    began = time.monotonic()
    async with asyncio.timeout(3 * SOON):
        yield
    assert time.monotonic() - began < SOON


async def answered(database):
    async with database.read() as tx:
        return await tx.conn.fetchval("select 1")


async def test_a_statement_is_given_up_and_the_next_one_goes_over_another_line(wire, database):
    async with soon():
        wire.lose()
        with pytest.raises(TimeoutError):
            await answered(database)
        assert await answered(database) == 1


async def test_one_lost_within_a_transaction_is_given_up_too(wire, database):
    async def lost():
        async with database.transaction() as tx:
            wire.lose()
            await tx.conn.execute("select 1")

    async with soon():
        with pytest.raises(TimeoutError):
            await lost()
        assert await answered(database) == 1


async def test_whoever_goes_away_meanwhile_leaves_no_line_behind(wire, database):
    async with soon():
        wire.lose()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SECONDS / 10):
                await answered(database)
        assert await answered(database) == 1


async def test_a_statement_may_take_long_where_that_is_wanted(database_url):
    async with connect(database_url, pool_size=1, statement_timeout_seconds=0) as database:
        assert await database.pool.fetchval("select pg_sleep(0.01) is not null")
        assert await database.pool.fetchval("show statement_timeout") == "0"
