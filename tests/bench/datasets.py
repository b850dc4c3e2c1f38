"""Registers of 100 thousand to 10 million opt-outs, written by SQL in seconds to minutes.

Addresses, ledger, suppressions and feed heads agree as if each had been said through a door: real
address keys, dense positions, a deadline. Only the seals are blank and evidence is left out, which
nothing that is measured here reads. The indexes of a large one are built once its rows are in.
"""

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prefsvc import api_keys, brands, senders
from prefsvc.brand import Brand
from prefsvc.brands import AppliedBrand
from prefsvc.db.connection import Connection
from prefsvc.doors import Service

TABLES = ("address", "preference_event", "suppression")
ROWS_A_STATEMENT = 500_000

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
create temporary table bench_said on commit drop as
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
create temporary table bench_placed on commit drop as
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
    async with service.database.pool.acquire() as conn, indexes_last(conn, count):
        for first in range(0, count, ROWS_A_STATEMENT):
            rows = min(ROWS_A_STATEMENT, count - first)
            await _write(conn, service, register.brand, first, rows)
    await settled(service)
    print(f"{count:,} opt-outs written in {time.perf_counter() - started:.0f} s")
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
    async with service.database.pool.acquire() as conn:
        await conn.execute("set statement_timeout = 0")
        await conn.execute("vacuum (analyze) address, preference_event, suppression, feed_head")
        await conn.execute("checkpoint")
        await conn.execute("reset statement_timeout")


async def _write(
    conn: Connection, service: Service, brand: AppliedBrand, first: int, rows: int
) -> None:
    inner, outer = _hmac_pads(service.vault.pepper)
    async with conn.transaction():
        await conn.execute("set local synchronous_commit = off; set local work_mem = '256MB'")
        await conn.execute("set local statement_timeout = 0")
        await conn.execute(SAID, brand.slug, first, inner, outer, rows)
        await conn.execute(PLACED, brand.brand_id)
        await conn.execute(ADDRESSES)
        for statement in (EVENTS, SUPPRESSIONS, HEADS):
            await conn.execute(statement, brand.brand_id)


def _hmac_pads(pepper: bytes) -> tuple[bytes, bytes]:
    block = pepper.ljust(hashlib.sha256().block_size, b"\0")
    return bytes(one ^ 0x36 for one in block), bytes(one ^ 0x5C for one in block)


@asynccontextmanager
async def indexes_last(conn: Connection, count: int) -> AsyncIterator[None]:
    """Take the indexes off for the block where it writes more than a little."""
    if count < ROWS_A_STATEMENT:
        yield
        return
    keys = await conn.fetch(
        "select conrelid::regclass::text as relation, conname as name,"
        " pg_get_constraintdef(oid) as definition"
        " from pg_constraint where contype = 'p' and conrelid = any($1::text[]::regclass[])",
        list(TABLES),
    )
    indexes = await conn.fetch(
        "select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition"
        " from pg_index as i"
        " where not i.indisprimary and i.indrelid = any($1::text[]::regclass[])",
        list(TABLES),
    )
    for key in keys:
        await conn.execute(f"alter table {key['relation']} drop constraint {key['name']}")
    for index in indexes:
        await conn.execute(f"drop index {index['name']}")
    yield
    await conn.execute("set maintenance_work_mem = '512MB'; set statement_timeout = 0")
    for key in keys:
        await conn.execute(
            f"alter table {key['relation']} add constraint {key['name']} {key['definition']}"
        )
    for index in indexes:
        await conn.execute(index["definition"])
    await conn.execute("reset maintenance_work_mem; reset statement_timeout")
