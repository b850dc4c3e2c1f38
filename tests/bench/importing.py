"""`prefsvc import` of a million rows, beside COPY of what it made into the same tables.

The list is as a mail provider exports it: addresses, moments of three years in no order, a reason.
COPY brings the very rows that the import made, in the order they lie in, into the same tables with
all their indexes and constraints; it decides nothing, derives nothing and seals nothing. Then how
long somebody's own opt-out takes meanwhile, because an import holds the heads that it waits for.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefsvc import brands, engine
from prefsvc.act import Act
from prefsvc.address import Address
from prefsvc.doors import Service
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from tests.bench.setting import Setting
from tests.support.cast import acme

TABLES = ("address", "preference_event", "evidence", "suppression", "feed_head")
EMPTYING = ", ".join((*TABLES, "import", "import_place", "import_refusal"))
REASONS = ("unsubscribe", "", "spam report", "unsubscribe")
MAILBOXES = ("example.com", "example.org", "mail.example.com", "example.net")
NOTHING_ELSE = 1 << 20


async def bench(setting: Setting) -> None:
    folder, running = setting.folder, setting.engine
    count = int(setting.given.imported)
    file = written(folder / "list.csv", count)
    async with setting.opened() as service:
        async with service.database.transaction() as tx:
            await brands.apply(tx, [acme()])
        await service.refresh_book()
        pairs = []
        for _ in range(int(setting.given.import_rounds)):
            ours = await imported(service, running, folder, file)
            pairs.append((count / ours, count / await copied(service, folder)))
        name = f"import of {count:,}"
        setting.report.against(name, "rows/s", pairs, "COPY", at_least=0.3)
        await empty(service)
        part = written(folder / "part.csv", count // 4)
        idle = await waits(service, asyncio.sleep(5))
        busy = await waits(service, imported(service, running, folder, part))
    for when, seconds in (("nothing goes on", idle), ("a list is imported", busy)):
        for name, at in zip(("p50", "p99", "longest"), quantiles(seconds), strict=True):
            setting.report.alone(f"opt-out while {when}, {name}", "ms", [1000 * at])


def written(file: Path, count: int) -> Path:
    """Write a list of so many people."""
    chance = random.Random(6)
    start = datetime(2023, 1, 1, tzinfo=UTC)
    with file.open("w") as out:
        out.write("email,created_at,reason\n")
        for number in range(count):
            at = start + timedelta(seconds=chance.randrange(3 * 365 * 86400))
            mailbox, reason = chance.choice(MAILBOXES), chance.choice(REASONS)
            out.write(f"person.{number}@{mailbox},{at:%Y-%m-%dT%H:%M:%SZ},{reason}\n")
    return file


async def imported(service: Service, running: engine.Engine, folder: Path, file: Path) -> float:
    """Return how long the command takes from its start to its end."""
    await empty(service)
    environment = os.environ | {
        "PREFSVC_DATABASE_URL": running.dsn,
        "PREFSVC_SECRETS_DIR": str(folder / "secrets"),
        "PREFSVC_LOG_LEVEL": "warning",
    }
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "prefsvc", "import", str(file), env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await process.wait():
        raise RuntimeError("the import failed")
    return time.perf_counter() - started


async def copied(service: Service, folder: Path) -> float:
    """Return how long COPY takes for the rows that are there."""
    for table in TABLES:
        async with service.database.pool.acquire() as conn:
            await conn.copy_from_table(table, output=folder / table, format="binary", timeout=600)
    await empty(service)
    started = time.perf_counter()
    async with service.database.pool.acquire() as conn:
        await conn.execute("set statement_timeout = 0")
        async with conn.transaction():
            for table in TABLES:
                await conn.copy_to_table(table, source=folder / table, format="binary", timeout=600)
    took = time.perf_counter() - started
    for table in TABLES:
        (folder / table).unlink()
    return took


async def empty(service: Service) -> None:
    await service.database.pool.execute(f"truncate {EMPTYING}")
    await service.database.pool.execute("checkpoint")


async def waits(service: Service, meanwhile) -> list[float]:
    """Return how long opt-outs take, one after the other, while something goes on."""
    going, took = asyncio.ensure_future(meanwhile), []
    brand, number = service.book.get("acme"), NOTHING_ELSE
    while not going.done():
        number += 1
        address = Address.for_opt_out("email", f"person.{number}@example.com")
        act = Act(brand, Recipient.of(address, service.vault), Scope("channel"), "link", {})
        started = time.perf_counter()
        await service.record([act])
        took.append(time.perf_counter() - started)
        await asyncio.sleep(0.005)
    await going
    return took


def quantiles(seconds: list[float]) -> tuple[float, float, float]:
    ordered = sorted(seconds)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1]
