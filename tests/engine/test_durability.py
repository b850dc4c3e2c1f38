import asyncio
import itertools

import asyncpg

from prefsvc.engine import running
from prefsvc.engine.leftovers import processes
from tests.engine.helpers import LOST, kill, on_linux, psql, service

pytestmark = on_linux
ENOUGH = 2000


async def test_nothing_acknowledged_is_lost_when_everything_is_killed(disk):
    data_dir = disk / "data"
    with service(data_dir) as (process, said):
        psql(said["dsn"], "create table written (writer int, number int)")
        acknowledged = await write_until_killed(process, said["dsn"], data_dir / "postgres")
    with running(data_dir) as engine:
        rows = psql(engine.dsn, "select writer, number from written").split()
    assert len(acknowledged) >= ENOUGH
    assert acknowledged <= {tuple(map(int, row.split("|"))) for row in rows}


async def write_until_killed(process, dsn, cluster):
    acknowledged, enough = set(), asyncio.Event()
    writers = [asyncio.create_task(write(dsn, n, acknowledged, enough)) for n in range(8)]
    async with asyncio.timeout(30):
        await enough.wait()
        kill(*processes(cluster), process.pid)
        await asyncio.gather(*writers)
    return acknowledged


async def write(dsn, writer, acknowledged, enough):
    try:
        conn = await asyncpg.connect(dsn)
        for number in itertools.count():
            await conn.execute("insert into written values ($1, $2)", writer, number)
            acknowledged.add((writer, number))
            if len(acknowledged) >= ENOUGH:
                enough.set()
    except LOST:
        return
