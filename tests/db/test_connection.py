from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from prefsvc.db.away import AWAY
from prefsvc.db.connection import connect, every, only, single
from prefsvc.db.migrate import migrate
from tests.db.databases import new_database, session


@pytest.fixture(scope="module")
async def dsn(server_url):
    async with new_database(server_url) as dsn:
        async with session(dsn) as conn:
            await migrate(conn)
            await conn.execute("create table prefsvc.note (note_id int primary key, body jsonb)")
        yield dsn


@pytest.fixture
async def database(dsn):
    async with connect(dsn, pool_size=2) as database:
        yield database
        await database.pool.execute("delete from note")


async def put(tx, note_id):
    await tx.conn.execute("insert into note values ($1, null)", note_id)


async def count(database):
    return await database.pool.fetchval("select count(*) from note")


async def test_a_transaction_commits_at_its_end_and_carries_one_moment(database):
    now = datetime(2026, 1, 2, tzinfo=UTC)
    async with replace(database, clock=lambda: now).transaction() as tx:
        await put(tx, 1)
        assert tx.now == now
    assert await count(database) == 1


async def test_an_exception_takes_the_whole_transaction_back(database):
    async def put_all():
        async with database.transaction() as tx:
            for note_id in (1, 2, 1):
                await put(tx, note_id)

    with pytest.raises(asyncpg.UniqueViolationError):
        await put_all()
    assert await count(database) == 0


async def test_a_read_cannot_write(database):
    async with database.read() as tx:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await put(tx, 1)


@pytest.mark.filterwarnings("ignore:a second connection:RuntimeWarning")
@pytest.mark.parametrize(("snapshot", "seen"), [(True, 0), (False, 1)])
async def test_only_a_snapshot_stands_still(database, snapshot, seen):
    async with database.read(snapshot=snapshot) as reading:
        await reading.conn.fetchval("select count(*) from note")
        async with database.transaction() as tx:
            await put(tx, 1)
        assert await reading.conn.fetchval("select count(*) from note") == seen


async def test_a_setting_of_one_transaction_does_not_reach_the_next(dsn):
    async with connect(dsn, pool_size=1) as database:
        async with database.transaction() as tx:
            await tx.conn.execute("set local statement_timeout = 1234")
        async with database.transaction() as tx:
            assert await tx.conn.fetchval("show statement_timeout") == "30s"


async def test_a_transaction_left_open_ends_before_the_next_one_begins(dsn):
    async with connect(dsn, pool_size=1) as database:
        with pytest.raises(asyncpg.PostgresError):
            async with database.transaction() as tx:
                await tx.conn.execute("insert into note values (1, null); select 1 / 0")
        assert await count(database) == 0


async def test_every_connection_has_its_limits_and_habits(dsn):
    options = {
        "statement_timeout_seconds": 7,
        "lock_timeout_seconds": 1.5,
        "idle_in_transaction_timeout_seconds": 9,
    }
    async with connect(dsn, pool_size=1, **options) as database:
        rows = await database.pool.fetch("select name, setting from pg_settings")
    settings = {row["name"]: row["setting"] for row in rows}
    assert {name: settings[name] for name in EXPECTED} == EXPECTED


EXPECTED = {
    "application_name": "prefsvc",
    "idle_in_transaction_session_timeout": "9000",
    "jit": "off",
    "lock_timeout": "1500",
    "search_path": "prefsvc",
    "statement_timeout": "7000",
    "TimeZone": "UTC",
}


@pytest.mark.parametrize(("level", "ours"), [("off", "on"), ("local", "local"), ("on", "on")])
async def test_a_commit_is_flushed_even_where_the_database_would_not(server_url, level, ours):
    async with new_database(server_url) as dsn:
        async with session(dsn) as conn:
            name = await conn.fetchval("select current_database()")
            await conn.execute(f"alter database {name} set synchronous_commit = {level}")
        async with connect(dsn, pool_size=1) as database:
            assert await database.pool.fetchval("show synchronous_commit") == ours


@pytest.mark.parametrize(
    "body",
    [{"a": [1, 2.5, None, True]}, [], "text", 0, {"when": "ünïcode \U0001f600"}],
)
async def test_json_comes_back_as_it_went_in(database, body):
    async with database.transaction() as tx:
        await tx.conn.execute("insert into note values (1, $1)", body)
        assert await tx.conn.fetchval("select body from note") == body


async def test_json_takes_moments_and_ids_as_their_text(database):
    body = {"at": datetime(2026, 1, 2, tzinfo=UTC), "id": UUID(int=1)}
    async with database.transaction() as tx:
        stored = await tx.conn.fetchval("select $1::jsonb", body)
    assert stored == {"at": "2026-01-02T00:00:00Z", "id": str(UUID(int=1))}


@pytest.mark.parametrize(
    "condition",
    [
        "disk_full", "out_of_memory", "too_many_connections", "io_error", "admin_shutdown",
        "query_canceled", "lock_not_available", "read_only_sql_transaction",
        "invalid_authorization_specification", "invalid_password", "invalid_catalog_name",
        "insufficient_privilege",
    ],
)  # fmt: skip
async def test_a_server_that_has_no_room_or_time_or_lets_us_do_nothing_is_away(database, condition):
    with pytest.raises(AWAY):
        await database.pool.execute(f"do $$ begin raise {condition}; end $$")


async def test_a_fault_of_ours_does_not_look_like_it(database):
    with pytest.raises(asyncpg.PostgresError) as caught:
        await database.pool.execute("select 1 / 0")
    assert not isinstance(caught.value, AWAY)


@pytest.mark.filterwarnings("ignore:a second connection:RuntimeWarning")
async def test_a_pool_that_is_empty_is_waited_for_within_the_limit(dsn):
    options = {"pool_size": 1, "connect_timeout_seconds": 0.5}
    async with connect(dsn, **options) as database, database.transaction():
        with pytest.raises(TimeoutError):
            await database.transaction().__aenter__()


async def test_a_server_without_prepared_statements_can_be_used(dsn):
    async with connect(dsn, pool_size=1, statement_cache_size=0) as database:
        async with database.transaction() as tx:
            await put(tx, 1)
            assert await tx.conn.fetchval("select count(*) from pg_prepared_statements") == 0
        await database.pool.execute("delete from note")


async def test_one_connection_is_set_up_like_the_pool_s(dsn):
    async with single(dsn) as conn:
        assert await conn.fetchval("select $1::jsonb", {"a": 1}) == {"a": 1}
        assert await conn.fetchval("show search_path") == "prefsvc"


def test_a_promised_row_that_does_not_come_is_a_fault():
    with pytest.raises(LookupError, match="one row"):
        only(None)
    with pytest.raises(LookupError, match="2 rows and gave 1"):
        every([1], 2)
