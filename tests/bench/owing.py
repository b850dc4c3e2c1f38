"""`GET …/senders` of a brand with millions of opt-outs, beside one with thousands.

Fifty senders each: caught up, somewhere on the way, and never heard of. The ledgers are written by
SQL, so nothing has a seal; everything else is as it would be. Both are asked in turns of the same
process, warm, and again after one more opt-out each time; cold is the first reckoning of a process.
"""

import time
from dataclasses import dataclass

import aiohttp

from prefsvc import api_keys, brands, feeds, senders, suppressions, tallies
from prefsvc.brands import AppliedBrand
from prefsvc.cursor import Cursor
from prefsvc.doors import Service
from prefsvc.obligations import Obligations
from prefsvc.tallies import Reached
from tests.bench.served import served
from tests.bench.setting import Setting
from tests.support.cast import acme, globex

SENDERS = 50
CAUGHT_UP, NEVER_HEARD = range(20), range(40, 50)
ROUNDS = 15
ROWS_A_STATEMENT = 100_000

LEDGER = """
insert into preference_event (
    bucket, brand_id, position, event_id, address_key, channel, act, scope, topic, reason, effect,
    source, received_at, recorded_at, deadline_at, deadline, evidence_sha256, seal
)
select n % 64, $1::int, n / 64 + 1, md5($1::int || '-' || n)::uuid, decode(md5('a' || n), 'hex'),
    case n % 10 when 8 then 'sms' when 9 then 'post' else 'email' end, 'opt_out', 'channel', '',
    'opt_out', 'added', 'link', said_at, said_at, said_at + interval '10 days',
    jsonb_build_object('target_at', said_at + interval '5 days', 'set_by', 'promise'),
    decode(repeat('00', 32), 'hex'), decode(repeat('00', 16), 'hex')
from (
    select n, $4::timestamptz - interval '900 days' * (1 - n::float / $5) as said_at
    from generate_series($2::bigint, $3::bigint - 1) as n
) as said
"""
HEADS = """
insert into feed_head (bucket, brand_id, position)
select n, $1::int, ($2::bigint + 63 - n) / 64 from generate_series(0, 63) as n
"""


@dataclass(frozen=True)
class Ledger:
    """A brand, how many opt-outs it has, and an operator's key for it."""

    brand: AppliedBrand
    count: int
    headers: dict[str, str]


async def bench(setting: Setting) -> None:
    count = int(setting.given.opt_outs)
    async with setting.opened() as service:
        async with service.database.transaction() as tx:
            await brands.apply(tx, [acme(), globex()])
        await service.refresh_book()
        small = await written(service, "globex", count // 1000)
        large = await written(service, "acme", count)
        await tallied(service)
        for one in (small, large):
            took = await cold_seconds(service, one)
            setting.report.alone(f"senders of {one.count:,}, cold", "ms", [took * 1000])
    async with (
        served(setting.engine.dsn, setting.folder) as running,
        aiohttp.ClientSession(running.origin) as session,
    ):
        for name, has_news in (("warm", False), ("after one more opt-out", True)):
            pairs = [
                (
                    1000 * await seconds(session, large, has_news=has_news),
                    1000 * await seconds(session, small, has_news=has_news),
                )
                for _ in range(ROUNDS)
            ]
            against = f"ms at {small.count:,}"
            setting.report.against(f"senders of {large.count:,}, {name}", "ms", pairs, against)


async def written(service: Service, slug: str, count: int) -> Ledger:
    """Write a brand's ledger and its senders."""
    brand = service.book.get(slug)
    async with service.database.transaction() as tx:
        for first in range(0, count, ROWS_A_STATEMENT):
            last = min(count, first + ROWS_A_STATEMENT)
            await tx.conn.execute(LEDGER, brand.brand_id, first, last, tx.now, float(count))
        await tx.conn.execute(HEADS, brand.brand_id, count)
        made = await api_keys.create(tx, label="bench", brand=brand, sender=None)
    await service.database.pool.execute("analyze")
    await with_senders(service, brand)
    return Ledger(brand, count, {"Authorization": f"Bearer {made}"})


async def with_senders(service: Service, brand: AppliedBrand) -> None:
    async with service.database.transaction() as tx:
        end = await suppressions.head(tx, brand)
        for number in range(SENDERS):
            sender = await senders.add(tx, brand, f"sender-{number}", "email")
            if number in NEVER_HEARD:
                continue
            part = 1 if number in CAUGHT_UP else number / SENDERS
            positions = tuple(int(position * part) for position in end.positions)
            cursor = Cursor(end.epoch, brand.brand_id, positions)
            await feeds.acknowledge(tx, brand, sender.sender_id, cursor)


async def tallied(service: Service) -> None:
    started, blocks, reached = time.perf_counter(), 0, Reached()
    while True:
        async with service.database.transaction() as tx:
            made = await tallies.make(tx, reached)
        blocks += made
        if not made:
            break
    print(f"{blocks:,} blocks tallied in {time.perf_counter() - started:.1f} s")


async def cold_seconds(service: Service, ledger: Ledger) -> float:
    """Return how long the first reckoning of a process takes."""
    started = time.perf_counter()
    async with service.database.read() as tx:
        await senders.standings(tx, Obligations(), ledger.brand)
    return time.perf_counter() - started


async def seconds(session: aiohttp.ClientSession, ledger: Ledger, *, has_news: bool) -> float:
    """Return how long a request takes, the connection being open."""
    path = f"/v1/brands/{ledger.brand.slug}"
    body = {"channel": "email", "address": f"bench-{time.monotonic_ns()}@example.org"}
    if has_news:
        async with session.post(f"{path}/opt-outs", json=body, headers=ledger.headers) as reply:
            reply.raise_for_status()
    started = time.perf_counter()
    async with session.get(f"{path}/senders", headers=ledger.headers) as reply:
        document = await reply.json()
    took = time.perf_counter() - started
    if len(document["senders"]) != SENDERS:
        raise RuntimeError("not every sender was answered for")
    return took
