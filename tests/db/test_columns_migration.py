"""The suppressions of a database from before their columns were laid out without gaps."""

import shutil
from datetime import UTC, datetime
from uuid import UUID

import pytest

from prefsvc.db.migrate import migrate
from prefsvc.db.sql_files import migrations_folder, read_migrations
from tests.db.databases import new_database, session

EARLIER = 13
"""The last migration of the version before."""
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROW = {
    "bucket": 7, "brand_id": 1, "address_key": bytes(15) + b"\7", "channel": "email",
    "scope": "channel", "topic": "", "reason": "opt_out", "active": True, "said_at": AT,
    "deadline_at": AT, "event_id": UUID(int=7), "position": 1, "unproven": False,
}  # fmt: skip
INSERT = f"""
insert into prefsvc.suppression ({", ".join(ROW)})
values ({", ".join(f"${n}" for n in range(1, len(ROW) + 1))})
"""
ROW_BYTES = "select pg_column_size(s.*) from prefsvc.suppression as s"


@pytest.fixture
async def before(server_url, tmp_path):
    """Make a database of the version before."""
    for one in read_migrations(migrations_folder())[:EARLIER]:
        shutil.copy(migrations_folder() / one.name, tmp_path)
    async with new_database(server_url) as dsn, session(dsn) as conn:
        await migrate(conn, tmp_path)
        yield conn


async def rows(conn):
    return [dict(row) for row in await conn.fetch("select * from prefsvc.suppression")]


async def test_a_suppression_takes_fewer_bytes_where_there_was_none_before(before):
    await before.execute(INSERT, *ROW.values())
    earlier = await before.fetchval(ROW_BYTES)
    await before.execute("delete from prefsvc.suppression")
    await migrate(before)
    await before.execute(INSERT, *ROW.values())
    assert await rows(before) == [ROW]
    assert await before.fetchval(ROW_BYTES) == 112 < earlier


async def test_suppressions_that_there_are_stay(before):
    await before.execute(INSERT, *ROW.values())
    await migrate(before)
    assert await rows(before) == [ROW]


@pytest.mark.parametrize("is_empty", [True, False])
async def test_the_rules_of_a_suppression_are_the_same_either_way(before, is_empty):
    rules = """
        select conname, pg_get_constraintdef(oid) as rule from pg_constraint
        where conrelid = 'prefsvc.suppression'::regclass and contype in ('p', 'c') order by conname
    """
    columns = """
        select column_name, data_type, is_nullable, column_default from information_schema.columns
        where table_schema = 'prefsvc' and table_name = 'suppression' order by column_name
    """
    if not is_empty:
        await before.execute(INSERT, *ROW.values())
    earlier = [await before.fetch(rules), await before.fetch(columns)]
    await migrate(before)
    assert [await before.fetch(rules), await before.fetch(columns)] == earlier
