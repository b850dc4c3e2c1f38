"""Lists of 100 thousand opt-outs and more: the snapshot, the feed, and clicks while one streams.

The snapshot is held against `psql \\copy` of the same columns (the SHA-256 of each address among
them) in PostgreSQL's own form, on the same database with the same settings. Each size has a process
of its own, whose peak memory is read when its snapshots are through.
"""

import asyncio
from dataclasses import replace

from prefsvc import suppressions
from prefsvc.cursor import Cursor
from prefsvc.doors import Service
from tests.bench import datasets, limits, opt_outs, stream
from tests.bench.client import Job, load, request
from tests.bench.datasets import Register
from tests.bench.served import Served, served
from tests.bench.setting import Setting

DELTA = 1000
POLLS = 50
PAUSE_SECONDS = 0.02
"""Between polls, as senders poll: what one leaves to do is not the next one's time."""
LARGE = 2_000_000
"""Of lists beyond it three rounds are enough, and none compressed: each takes a minute."""
CLICKS_MAX = 10_000


async def bench(setting: Setting) -> None:
    async with setting.opened() as service:
        registers = [await datasets.written(service, size) for size in setting.given.sizes]
        for register in registers[1:]:
            async with served(setting.engine.dsn, setting.folder) as one:
                await snapshots(setting, register, one)
        async with served(setting.engine.dsn, setting.folder) as one:
            await feeds(setting, service, registers, one)
            await clicks_meanwhile(setting, service, registers[-1], one)


def snapshot_of(register: Register, **headers: str) -> bytes:
    return request(
        "GET", f"{register.path}/suppressions", register.headers | headers | {"Connection": "close"}
    )


async def snapshots(setting: Setting, register: Register, one: Served) -> None:
    rounds, is_large = [], register.count > LARGE
    for _ in range(min(setting.rounds, 3) if is_large else setting.rounds):
        limit = await limits.copy_seconds(setting.engine, register.brand)
        took = (await stream.read(one.port, snapshot_of(register))).seconds
        rounds.append((register.count / took, register.count / limit))
    name = f"snapshot of {register.count:,}"
    setting.report.against(name, "rows/s", rounds, "rows/s psql \\copy", at_least=0.7)
    setting.report.alone(f"{name}, peak memory", "MB", [one.peak_bytes() / 1e6], at_most=150)
    if is_large:
        return
    zipped = await stream.read(one.port, snapshot_of(register, **{"Accept-Encoding": "gzip"}))
    setting.report.alone(f"{name}, gzip", "rows/s", [register.count / zipped.seconds])


async def feeds(setting: Setting, service: Service, registers: list[Register], one: Served) -> None:
    small, large = both = registers[0], registers[-1]
    async with service.database.read() as tx:
        ends = [await suppressions.head(tx, each.brand) for each in both]
    for behind, name, target in ((0, "empty delta poll", 5.0), (DELTA, "1,000-row delta", None)):
        jobs = [polls(each, before(end, behind), one) for each, end in zip(both, ends, strict=True)]
        rounds = [
            tuple([(await load(job)).quantile(0.5) for job in jobs])
            for _ in range(setting.rounds + 1)
        ]
        times = [(b, a) for a, b in rounds[1:]]
        setting.report.alone(
            f"{name} at {large.count:,}", "ms", [t for t, _ in times], at_most=target
        )
        setting.report.against(
            f"{name} at {large.count:,}", "ms", times, f"ms at {small.count:,}", at_most=1.2
        )


def before(end: Cursor, count: int) -> Cursor:
    """Return the cursor so many positions before the end, spread over the buckets."""
    behind = [count // 64 + (bucket < count % 64) for bucket in range(64)]
    positions = (max(0, at - less) for at, less in zip(end.positions, behind, strict=True))
    return replace(end, positions=tuple(positions))


def polls(register: Register, cursor: Cursor, one: Served) -> Job:
    asking = request("GET", f"{register.path}/feed?after={cursor}", register.headers)
    return Job("127.0.0.1", one.port, 1, [asking] * POLLS, pause_seconds=PAUSE_SECONDS)


async def clicks_meanwhile(
    setting: Setting, service: Service, register: Register, one: Served
) -> None:
    """Say how long clicks take at half load, with and without a snapshot that streams."""
    clicks, count = opt_outs.clicks_of(service, register.brand.slug), min(setting.count, CLICKS_MAX)
    warm = await load(Job("127.0.0.1", one.port, 16, clicks(count)))
    name, half = "opt-out at half load", warm.rate / 2
    await opt_outs.latency(setting, one, lambda: clicks(count), f"{name}, alone", half)
    streaming = asyncio.create_task(endlessly(register, one))
    streamed = f"{name}, while {register.count:,} stream"
    await opt_outs.latency(setting, one, lambda: clicks(count), streamed, half)
    streaming.cancel()
    await asyncio.wait([streaming])


async def endlessly(register: Register, one: Served) -> None:
    while True:
        await stream.read(one.port, snapshot_of(register))
