"""Registers of 100 thousand to 10 million opt-outs, written by SQL in seconds to minutes.

Addresses, ledger, suppressions, feed heads and tallies agree as if each had been said through a
door: real address keys, dense positions, a deadline. Only the seals are blank and evidence is left
out, which nothing that is measured here reads. The indexes of a large one are built once its rows
are in. Two connections write at a time, as many as the machine has cores at the least.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prefsvc import api_keys, brands, senders
from prefsvc.address import CHANNELS
from prefsvc.brand import Brand
from prefsvc.brands import AppliedBrand
from prefsvc.db.connection import PlainConnection, single
from prefsvc.doors import Service

TABLES = ("address", "preference_event", "suppression")
ROWS_A_STATEMENT = 250_000
WRITERS = 2
WAL_MAX = "16GB"
"""No checkpoint comes between: the second write of a page would be a whole page of WAL."""

BRAND = """
slug = "{slug}"
name = "Bench"
languages = ["en"]
time_zone = "America/New_York"
country = "US"
channels = ["email"]
rules = ["can-spam"]
[support]
email = "help@acme.example.com"
[promises.email]
window = "10 days"
"""

# HMAC-SHA-256 as PostgreSQL's own functions give it: $3 and $4 are its two padded keys.
SAID = r"""
create temporary table bench_said as
select keyed.*, get_byte(address_key, 15) % 64 as bucket, md5($1 || '/' || n)::uuid as event_id,
    '2026-01-01Z'::timestamptz + n * interval '1.000003 s' as said_at
from (
    select n, canonical, substr(
        sha256($4::bytea || sha256($3::bytea || 'email\000'::bytea || sha256(canonical::bytea))),
        1, 16
    ) as address_key
    from (
        select n, $1 || '-' || n || '@example.org' as canonical
        from generate_series($2::bigint, $2 + $5::bigint - 1) as n
    ) as named
) as keyed
"""
PLACED = """
create temporary table bench_placed as
select s.*, coalesce(h.position, 0) + row_number() over (partition by s.bucket order by n)
    as position
from bench_said as s
left join feed_head as h on h.bucket = s.bucket and h.brand_id = $1
"""
ADDRESSES = """
insert into address (
    bucket, address_key, channel, canonical, as_written, sealed_sha256, pepper_version,
    first_seen_at
)
select bucket, address_key, 'email', canonical, null, null, 1, said_at from bench_placed
"""
EVENTS = """
insert into preference_event (
    bucket, brand_id, position, event_id, address_key, channel, act, scope, topic, reason, effect,
    source, received_at, recorded_at, deadline_at, deadline, evidence_sha256, seal
)
select bucket, $1, position, event_id, address_key, 'email', 'opt_out', 'channel', '', 'opt_out',
    'added', 'link', said_at, said_at, said_at + interval '10 days',
    jsonb_build_object('target_at', said_at + interval '5 days', 'set_by', 'promise'),
    decode(repeat('00', 32), 'hex'), decode(repeat('00', 16), 'hex')
from bench_placed
"""
SUPPRESSIONS = """
insert into suppression (
    bucket, brand_id, address_key, scope, topic, reason, channel, active, said_at, deadline_at,
    event_id, position
)
select bucket, $1, address_key, 'channel', '', 'opt_out', 'email', true, said_at,
    said_at + interval '10 days', event_id, position
from bench_placed
"""
HEADS = """
insert into feed_head (bucket, brand_id, position)
select bucket, $1, max(position) from bench_placed group by bucket
on conflict (bucket, brand_id) do update set position = excluded.position
"""

# Else every service that starts would tally them first, beside what is measured.
TALLIES = """
insert into feed_tally (
    bucket, brand_id, channel, block, added_count, half_at, four_fifths_at, target_at, deadline_at
)
select bucket, brand_id, channel, (position - 1) / 256 as block, count(*),
    min(received_at + (deadline_at - received_at) * 0.5),
    min(received_at + (deadline_at - received_at) * 0.8),
    min((deadline ->> 'target_at')::timestamptz), min(deadline_at)
from preference_event
where brand_id = $1
group by bucket, brand_id, channel, block
having count(*) = 256
"""
OTHER_CHANNELS = """
insert into feed_tally (bucket, brand_id, channel, block, added_count)
select bucket, brand_id, other, block, 0
from feed_tally cross join unnest($2::text[]) as other
where brand_id = $1 and channel = 'email'
"""


@dataclass(frozen=True)
class Register:
    """A brand with so many opt-outs, and a sender's key for it as a header."""

    brand: AppliedBrand
    count: int
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return f"/v1/brands/{self.brand.slug}"

    def address(self, number: int) -> str:
        """Return the address of one of its opt-outs; of numbers beyond them nobody has spoken."""
        return f"{self.brand.slug}-{number}@example.org"


async def written(service: Service, count: int) -> Register:
    """Make a brand with so many opt-outs, and a sender that may read them."""
    register = await empty(service, f"bench-{count}", count)
    started = time.perf_counter()
    async with indexes_last(service, count):
        parts = iter(range(0, count, ROWS_A_STATEMENT))
        writing = _Writing(register, _hmac_pads(service.vault.pepper), parts)
        await asyncio.gather(*[writing.write(service) for _ in range(WRITERS)])
    async with unhurried(service) as conn:
        await conn.execute(TALLIES, register.brand.brand_id)
        others = [channel for channel in CHANNELS if channel != "email"]
        await conn.execute(OTHER_CHANNELS, register.brand.brand_id, others)
    await settled(service)
    print(f"{count:,} opt-outs written in {time.perf_counter() - started:.0f} s", flush=True)
    return register


async def empty(service: Service, slug: str, count: int = 0) -> Register:
    """Make a brand of which nothing was said yet, and a sender's key for it."""
    async with service.database.transaction() as tx:
        await brands.apply(tx, [Brand.from_toml(BRAND.format(slug=slug), file="bench.toml")])
    await service.refresh_book()
    brand = service.book.get(slug)
    async with service.database.transaction() as tx:
        sender = await senders.add(tx, brand, "bench", "email")
        key = await api_keys.create(tx, label="bench", brand=brand, sender=sender)
    return Register(brand, count, {"Authorization": f"Bearer {key}"})


async def settled(service: Service) -> None:
    """Bring statistics and visibility up to date, as autovacuum does in a while."""

    async def vacuumed(table: str) -> None:
        async with unhurried(service) as conn:
            await conn.execute(f"vacuum (analyze) {table}")

    await asyncio.gather(*[vacuumed(table) for table in (*TABLES, "feed_head", "feed_tally")])
    async with unhurried(service) as conn:
        await conn.execute("checkpoint")


@asynccontextmanager
async def unhurried(service: Service) -> AsyncIterator[PlainConnection]:
    """Open a connection on which a statement may take its time."""
    async with single(service.database.dsn, statement_timeout_seconds=0) as conn:
        yield conn


@dataclass(frozen=True)
class _Writing:
    """A register that is being written, by several connections."""

    register: Register
    pads: tuple[bytes, bytes]
    parts: Iterator[int]
    placing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def write(self, service: Service) -> None:
        """Write part after part until none is left."""
        async with unhurried(service) as conn:
            await conn.execute("set synchronous_commit = off; set work_mem = '256MB'")
            for first in self.parts:
                await self._part(conn, first, min(ROWS_A_STATEMENT, self.register.count - first))

    async def _part(self, conn: PlainConnection, first: int, rows: int) -> None:
        brand = self.register.brand
        await conn.execute(SAID, brand.slug, first, *self.pads, rows)
        async with self.placing, conn.transaction():
            await conn.execute(PLACED, brand.brand_id)
            await conn.execute(HEADS, brand.brand_id)
        async with conn.transaction():
            await conn.execute(ADDRESSES)
            for statement in (EVENTS, SUPPRESSIONS):
                await conn.execute(statement, brand.brand_id)
        await conn.execute("drop table bench_said, bench_placed")


def _hmac_pads(pepper: bytes) -> tuple[bytes, bytes]:
    block = pepper.ljust(hashlib.sha256().block_size, b"\0")
    return bytes(one ^ 0x36 for one in block), bytes(one ^ 0x5C for one in block)


@asynccontextmanager
async def indexes_last(service: Service, count: int) -> AsyncIterator[None]:
    """Take the indexes off for the block where it writes more than a little."""
    if count <= ROWS_A_STATEMENT:
        yield
        return
    async with unhurried(service) as conn:
        await conn.execute(f"alter system set max_wal_size = '{WAL_MAX}'")
        await conn.execute("select pg_reload_conf()")
        made = {table: await _without_indexes(conn, table) for table in TABLES}
    yield
    await asyncio.gather(*[_indexed(service, statements) for statements in made.values()])
    async with unhurried(service) as conn:
        await conn.execute("alter system reset max_wal_size")
        await conn.execute("select pg_reload_conf()")


async def _without_indexes(conn: PlainConnection, table: str) -> list[str]:
    """Drop a table's key and indexes; return the statements that make them again."""
    key = await conn.fetchrow(
        "select conname, pg_get_constraintdef(oid) as definition from pg_constraint"
        " where contype = 'p' and conrelid = $1::text::regclass",
        table,
    )
    indexes = await conn.fetch(
        "select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition"
        " from pg_index where not indisprimary and indrelid = $1::text::regclass",
        table,
    )
    assert key
    await conn.execute(f"alter table {table} drop constraint {key['conname']}")
    for index in indexes:
        await conn.execute(f"drop index {index['name']}")
    again = f"alter table {table} add constraint {key['conname']} {key['definition']}"
    return [again, *(str(index["definition"]) for index in indexes)]


async def _indexed(service: Service, statements: list[str]) -> None:
    async with unhurried(service) as conn:
        await conn.execute("set maintenance_work_mem = '512MB'")
        for statement in statements:
            await conn.execute(statement)
