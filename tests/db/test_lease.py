"""One at a time: the lease of what one process does for all."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from prefsvc.db.lease import LOCK, Lease

HOLDERS = 5
HOLDER = f"""
    select l.pid from pg_locks as l
    where l.locktype = 'advisory' and l.granted and l.database =
        (select oid from pg_database where datname = current_database())
        and (l.classid::bigint << 32 | l.objid::bigint) = {LOCK}
"""

ASKED = """
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name like 'prefsvc lease %'
        and query <> '' and state = 'idle'
"""


@dataclass
class Stage:
    """Who works at the moment, and who ever did."""

    working: list[int] = field(default_factory=list)
    began: list[int] = field(default_factory=list)
    together_max: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def work(self, name, stopping):
        self.working.append(name)
        self.began.append(name)
        self.together_max = max(self.together_max, len(self.working))
        self.changed.set()
        try:
            if self.fails:
                raise ValueError
            await stopping.wait()
        finally:
            self.working.remove(name)
            self.changed.set()

    async def until(self, is_so):
        async with asyncio.timeout(60):
            while not is_so():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def competing(dsn, stage, *, count=HOLDERS, silence_seconds=5.0):
    lease = Lease(dsn, silence_seconds=silence_seconds, ask_seconds=0.5)
    stops = [asyncio.Event() for _ in range(count)]

    def work_of(number):
        return lambda: stage.work(number, stops[number])

    held = [
        asyncio.create_task(lease.hold(stops[number], work_of(number))) for number in range(count)
    ]
    try:
        yield stops
    finally:
        for stop in stops:
            stop.set()
        await asyncio.gather(*held)


@pytest.fixture
async def conn(database_url):
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def test_of_many_one_works_and_when_it_stops_another_does(database_url):
    stage = Stage()
    async with competing(database_url, stage) as stops:
        for turn in range(1, HOLDERS + 1):
            await stage.until(lambda turn=turn: len(stage.began) == turn and stage.working)
            stops[stage.working[0]].set()
    assert sorted(stage.began) == list(range(HOLDERS))
    assert stage.together_max == 1


async def test_a_holder_whose_connection_is_lost_stops_and_another_follows(database_url, conn):
    stage = Stage()
    # Who takes over waits for a fifth of the silence: a busy machine may stand still for a second.
    async with competing(database_url, stage, silence_seconds=10):
        # Who asks for the first time begins at once; so let everybody have asked.
        async with asyncio.timeout(60):
            while await conn.fetchval(ASKED) < HOLDERS:  # noqa: ASYNC110
                await asyncio.sleep(0)
        for turn in range(1, 5):
            await stage.until(lambda turn=turn: len(stage.began) == turn and stage.working)
            await conn.execute(f"select pg_terminate_backend(h.pid) from ({HOLDER}) as h")
        await stage.until(lambda: len(stage.began) > 4 and stage.working)
    assert stage.together_max == 1


async def test_a_holder_that_the_server_does_not_answer_stops_by_itself(database_url, conn):
    stage = Stage()
    async with competing(database_url, stage, count=2, silence_seconds=1):
        await stage.until(lambda: stage.working)
        pid = await conn.fetchval(HOLDER)
        os.kill(pid, signal.SIGSTOP)
        try:
            await stage.until(lambda: not stage.working)
            # The server has not let go yet: nobody could begin before the first had stopped.
            assert await conn.fetchval(HOLDER) == pid
        finally:
            os.kill(pid, signal.SIGCONT)
        await stage.until(lambda: len(stage.began) > 1 and stage.working)
    assert stage.together_max == 1


async def test_the_server_lets_go_of_a_holder_that_is_not_heard_of(database_url):
    stage = Stage()
    lease = Lease(database_url, silence_seconds=1, ask_seconds=0.02)
    async with lease._session() as session:
        ended = session.ended
        assert await session.conn.fetchval("select pg_try_advisory_lock($1)", LOCK)
        # It says nothing more, as a process does that was stopped.
        async with competing(database_url, stage, count=1):
            await stage.until(lambda: stage.working)
            assert ended.is_set()


async def test_work_that_fails_is_begun_again(database_url):
    stage = Stage(fails=True)
    async with competing(database_url, stage, count=1):
        await stage.until(lambda: len(stage.began) > 2)
        stage.fails = False
        await stage.until(lambda: stage.working)


async def test_a_database_out_of_reach_is_asked_again_until_told_to_stop():
    stage = Stage()
    async with competing("postgresql://nobody@127.0.0.1:1/none", stage, count=1):
        await asyncio.sleep(0)
    assert not stage.began
