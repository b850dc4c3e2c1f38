import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

import asyncpg
import pytest

from prefsvc.db import sql_files
from prefsvc.db.migrate import MigrationError, check_server, migrate, status
from prefsvc.db.sql_files import migrations_folder, read_migrations
from prefsvc.errors import (
    DatabaseAhead,
    MigrationEdited,
    MigrationsIncomplete,
    SchemaForbidden,
    UnsupportedServer,
)
from tests.db.databases import new_database, session, until

MIGRATE = """
import asyncio, asyncpg, sys
from pathlib import Path
from prefsvc.db.migrate import migrate

async def main(dsn, folder):
    conn = await asyncpg.connect(dsn)
    print("ready", flush=True)
    sys.stdin.readline()
    print(*await migrate(conn, Path(folder)), sep="\\n")
    await conn.close()

asyncio.run(main(*sys.argv[1:]))
"""
GATE = 4711  # an advisory lock that a migration waits for
BLOCKED_AT_GATE = (
    "exists (select from pg_locks where locktype = 'advisory' and objid = $1 and not granted)"
)
A_BUILD_WAITS = "exists (select from pg_stat_progress_create_index where phase like 'waiting for%')"


@pytest.fixture
async def dsn(server_url):
    async with new_database(server_url) as dsn:
        yield dsn


@pytest.fixture
async def conn(dsn):
    async with session(dsn) as conn:
        yield conn


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name.removeprefix('m')}.sql").write_text(text)


async def start(dsn, folder):
    """Start a process that is connected and will migrate when it is told to go."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MIGRATE, dsn, str(folder), stdin=PIPE, stdout=PIPE
    )
    assert await process.stdout.readline() == b"ready\n"
    return process


async def tables(conn):
    rows = await conn.fetch("select tablename from pg_tables where schemaname = 'prefsvc'")
    return {row[0] for row in rows} - {"schema_migration"}


async def test_the_migrations_of_this_version_apply_and_are_then_current(conn):
    names = [migration.name for migration in read_migrations(migrations_folder())]
    assert await migrate(conn) == names
    assert await migrate(conn) == []
    assert (await status(conn)).state == "current"


async def test_eight_processes_starting_at_once_apply_each_migration_once(dsn, conn, folder):
    write(
        folder,
        m0001_a="create table prefsvc.a (x int); insert into prefsvc.a values (1)",
        m0002_b="-- outside a transaction\ncreate index concurrently a_x on prefsvc.a (x)",
        m0003_c="insert into prefsvc.a values (2)",
    )
    started = await asyncio.gather(*[start(dsn, folder) for _ in range(8)])
    answers = await asyncio.gather(*[process.communicate(b"go\n") for process in started])
    assert [process.returncode for process in started] == [0] * 8
    applied = sorted(name for out, _ in answers for name in out.decode().split())
    assert applied == ["0001_a.sql", "0002_b.sql", "0003_c.sql"]
    assert await conn.fetchval("select count(*) from prefsvc.a") == 2


async def test_a_process_killed_half_way_leaves_whole_migrations_and_no_lock(dsn, conn, folder):
    write(
        folder,
        m0001_a="create table prefsvc.a (x int)",
        m0002_b=f"create table prefsvc.b (x int); select pg_advisory_xact_lock({GATE})",
    )
    await conn.execute("select pg_advisory_lock($1)", GATE)
    killed = await start(dsn, folder)
    killed.stdin.write(b"go\n")
    await until(conn, BLOCKED_AT_GATE, GATE)
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    assert await tables(conn) == {"a"}
    await conn.execute("select pg_advisory_unlock($1)", GATE)
    assert await migrate(conn, folder) == ["0002_b.sql"]
    assert await tables(conn) == {"a", "b"}


async def test_a_failing_migration_leaves_nothing_and_says_where_it_failed(conn, folder):
    write(folder, m0001_a="create table prefsvc.a (x int)")
    write(folder, m0002_b="create table prefsvc.b (x int);\n\ninsert into nowhere values (1);")
    with pytest.raises(MigrationError, match=r'^0002_b.sql, line 3: relation "nowhere"'):
        await migrate(conn, folder)
    assert await tables(conn) == {"a"}
    write(folder, m0002_b="create table prefsvc.b (x int)")
    assert await migrate(conn, folder) == ["0002_b.sql"]


async def test_a_migration_and_the_mark_that_it_was_made_stand_or_fall_together(conn, folder):
    write(folder, m0001_a="create table prefsvc.a (x int)")
    write(
        folder,
        m0002_b="create table prefsvc.b (x int);"
        "alter table prefsvc.schema_migration add constraint no_more check (version < 2)",
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await migrate(conn, folder)
    assert await tables(conn) == {"a"}


async def test_after_a_failure_another_process_may_migrate(dsn, conn, folder):
    write(folder, m0001_a="select 1 / 0")
    with pytest.raises(MigrationError, match="division by zero"):
        await migrate(conn, folder)
    write(folder, m0001_a="select 1")
    async with session(dsn) as other:
        assert await migrate(other, folder, wait_seconds=0) == ["0001_a.sql"]


async def test_an_edited_migration_is_refused_with_what_to_do(conn, folder):
    write(folder, m0001_a="select 1")
    await migrate(conn, folder)
    write(folder, m0001_a="select 2")
    with pytest.raises(MigrationEdited, match=r"0001_a.sql .* restore the file"):
        await migrate(conn, folder)
    assert (await status(conn, folder)).state == "edited"


async def test_line_endings_of_another_system_are_not_an_edit(conn, folder):
    (folder / "0001_a.sql").write_bytes(b"select 1;\nselect 2;\n")
    await migrate(conn, folder)
    (folder / "0001_a.sql").write_bytes(b"select 1;\r\nselect 2;\r\n")
    assert await migrate(conn, folder) == []


async def test_a_database_newer_than_the_code_is_refused_with_what_to_do(conn, folder):
    write(folder, m0001_a="select 1", m0002_b="select 2")
    await migrate(conn, folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(DatabaseAhead, match=r"up to 0002_b.sql; .* 0001_a.sql\); start that"):
        await migrate(conn, folder)
    assert (await status(conn, folder)).state == "ahead"


async def test_a_hole_in_the_database_s_own_list_is_refused(conn, folder):
    write(folder, m0001_a="select 1", m0002_b="select 2")
    await migrate(conn, folder)
    await conn.execute("delete from prefsvc.schema_migration where version = 1")
    with pytest.raises(MigrationsIncomplete, match=r"0001_a.sql is not applied although later"):
        await migrate(conn, folder)


@pytest.mark.parametrize(
    "names",
    [(), ("0001_a", "0003_c"), ("0001_a", "0001_b"), ("0002_b",), ("1_a",), ("0001_A",)],
)
def test_holes_twins_and_other_names_are_refused(folder, names):
    write(folder, **{f"m{name}": "select 1" for name in names})
    with pytest.raises(MigrationsIncomplete):
        read_migrations(folder)


async def test_status_names_what_is_missing_and_changes_nothing(conn, folder):
    write(folder, m0001_a="select 1", m0002_b="select 2")
    standing = await status(conn, folder)
    assert (standing.state, standing.pending) == ("behind", ("0001_a.sql", "0002_b.sql"))
    assert await conn.fetchval("select to_regnamespace('prefsvc')") is None


async def test_an_index_is_built_outside_a_transaction_while_others_wait_their_turn(
    dsn, conn, folder
):
    write(folder, m0001_a="create table prefsvc.a (x int)")
    await migrate(conn, folder)
    write(folder, m0002_b="-- outside a transaction\ncreate index concurrently a_x on prefsvc.a(x)")
    async with session(dsn) as builder, session(dsn) as waiter, session(dsn) as old:
        reading = old.transaction(isolation="repeatable_read")
        await reading.start()
        await old.fetch("select x from prefsvc.a")
        building = asyncio.create_task(migrate(builder, folder))
        await until(conn, A_BUILD_WAITS)
        waiting = asyncio.create_task(migrate(waiter, folder))
        # The waiter has asked for the lock and been told no: a session blocked in the asking
        # would hold a snapshot that the build waits for, for ever.
        await until(
            conn,
            "exists (select from pg_stat_activity where pid = $1 and state = 'idle'"
            " and query like '%pg_try_advisory_lock%')",
            waiter.get_server_pid(),
        )
        await reading.commit()
        async with asyncio.timeout(20):
            assert sorted([*await building, *await waiting]) == ["0002_b.sql"]
    assert await conn.fetchval(
        "select indisvalid from pg_index where indexrelid = 'prefsvc.a_x'::regclass"
    )


async def test_what_failed_outside_a_transaction_runs_again(conn, folder):
    write(
        folder,
        m0001_a="create table prefsvc.a (x int); insert into prefsvc.a values (1), (1)",
        m0002_b="-- outside a transaction\n"
        "drop index concurrently if exists prefsvc.a_x;\n"
        "create unique index concurrently a_x on prefsvc.a (x);\n",
    )
    with pytest.raises(MigrationError, match=r"line 3: .* what stood before remains") as failure:
        await migrate(conn, folder)
    assert "(1)" not in str(failure.value)  # the driver's own message quotes the row
    await conn.execute("truncate prefsvc.a")
    assert await migrate(conn, folder) == ["0002_b.sql"]


async def test_a_migration_leaves_the_session_s_settings_alone(conn, folder):
    write(folder, m0001_a="select 1", m0002_b="-- outside a transaction\nvacuum pg_class")
    before = await conn.fetch("select name, setting from pg_settings order by name")
    await migrate(conn, folder)
    assert await conn.fetch("select name, setting from pg_settings order by name") == before


async def test_a_migration_that_waits_for_a_table_lets_readers_pass(dsn, conn, folder):
    write(folder, m0001_a="create table prefsvc.a (x int)")
    await migrate(conn, folder)
    write(folder, m0002_b="alter table prefsvc.a add column y int")
    async with session(dsn) as migrator, session(dsn) as busy, session(dsn) as reader:
        working = busy.transaction()
        await working.start()
        await busy.fetch("select x from prefsvc.a")
        migrating = asyncio.create_task(migrate(migrator, folder, lock_timeout_seconds=0.05))
        await until(
            conn,
            "exists (select from pg_locks where pid = $1 and not granted)",
            migrator.get_server_pid(),
        )
        async with asyncio.timeout(5):
            assert await reader.fetch("select x from prefsvc.a") == []
        await working.commit()
        assert await migrating == ["0002_b.sql"]


async def test_a_table_that_never_comes_free_is_said_in_the_end(dsn, conn, folder):
    write(folder, m0001_a="create table prefsvc.a (x int)")
    await migrate(conn, folder)
    write(folder, m0002_b="alter table prefsvc.a add column y int")
    async with session(dsn) as busy, busy.transaction():
        await busy.fetch("select x from prefsvc.a")
        with pytest.raises(MigrationError, match=r"0002_b.sql found its tables locked"):
            await migrate(conn, folder, wait_seconds=0, lock_timeout_seconds=0.01)


async def test_waiting_for_another_process_ends_with_its_name(dsn, conn, folder):
    write(folder, m0001_a=f"select pg_advisory_xact_lock({GATE})")
    await conn.execute("select pg_advisory_lock($1)", GATE)
    async with session(dsn) as slow, session(dsn) as waiter:
        migrating = asyncio.create_task(migrate(slow, folder))
        await until(conn, BLOCKED_AT_GATE, GATE)
        with pytest.raises(MigrationError, match=rf"server process {slow.get_server_pid()} "):
            await migrate(waiter, folder, wait_seconds=0)
        await conn.execute("select pg_advisory_unlock($1)", GATE)
        assert await migrating == ["0001_a.sql"]


async def test_a_start_with_nothing_to_apply_waits_for_nobody(dsn, conn, folder):
    write(folder, m0001_a="select 1")
    await migrate(conn, folder)
    async with session(dsn) as other:
        await other.execute("select pg_advisory_lock($1)", 0x7072656673766300)
        assert await migrate(conn, folder, wait_seconds=0) == []


async def test_migrations_want_a_connection_outside_a_transaction(conn, folder):
    write(folder, m0001_a="select 1")
    async with conn.transaction():
        with pytest.raises(MigrationError, match="begin their own transactions"):
            await migrate(conn, folder)


async def test_a_database_of_another_encoding_is_refused(server_url):
    options = ("encoding 'SQL_ASCII'", "locale 'C'", "template template0")
    async with new_database(server_url, *options) as dsn, session(dsn) as conn:
        with pytest.raises(UnsupportedServer, match=r"SQL_ASCII.*encoding 'UTF8'"):
            await migrate(conn)


@pytest.mark.parametrize("major", [13, 19])
def test_a_server_outside_the_promised_versions_is_refused(major):
    with pytest.raises(UnsupportedServer, match=rf"PostgreSQL {major}; .* 14 to 18"):
        check_server(major, "UTF8", is_standby=False)


def test_a_standby_is_refused():
    with pytest.raises(UnsupportedServer, match="standby"):
        check_server(18, "UTF8", is_standby=True)


async def test_a_role_without_the_right_is_told_what_to_ask_for(conn, folder):
    write(folder, m0001_a="select 1")
    role = f"{await conn.fetchval('select current_database()')}_role"
    await conn.execute(f"create role {role}")
    try:
        await conn.execute(f"set session authorization {role}")
        with pytest.raises(SchemaForbidden, match=f"create schema prefsvc authorization {role}"):
            await migrate(conn, folder)
        await conn.execute("reset session authorization")
        await conn.execute(f"create schema prefsvc authorization {role}")
        await conn.execute(f"set session authorization {role}")
        assert await migrate(conn, folder) == ["0001_a.sql"]
    finally:
        await conn.execute("reset session authorization")
        await conn.execute(f"drop owned by {role}; drop role {role}")


def test_an_installed_package_finds_the_migrations_it_carries(monkeypatch, tmp_path):
    package = tmp_path / "prefsvc"
    monkeypatch.setattr(sql_files, "_PACKAGE", package)
    assert migrations_folder() == tmp_path / "sql" / "migrations"
    (package / "sql" / "migrations").mkdir(parents=True)
    assert migrations_folder() == package / "sql" / "migrations"


async def test_on_citus_each_table_is_given_its_place(conn):
    # Citus cannot be had here. Its two functions, as they stand in its source, refuse what it does.
    await conn.execute(
        """
        set allow_system_table_mods = on;
        create table public.placed (relation text, place text, colocated_with text);
        create function pg_catalog.create_reference_table(regclass) returns void
            language sql as $$ insert into public.placed values ($1, 'reference', '') $$;
        create function pg_catalog.create_distributed_table(
            relation regclass, column_name text, kind text default 'hash',
            colocate_with text default 'default', shard_count int default null
        ) returns void language plpgsql as $$
        begin
            if shard_count is not null and colocate_with not in ('default', 'none') then
                raise 'Cannot use colocate_with with a table and shard_count at the same time';
            end if;
            insert into public.placed values (relation, column_name, colocate_with);
        end $$;
        insert into pg_extension
            select 99999, 'citus', 10, 11, false, '14.0', null, null;
        """
    )
    await migrate(conn)
    placed = await conn.fetch("select relation, place, colocated_with from public.placed")
    given = {row["relation"].removeprefix("prefsvc.") for row in placed}
    # What alarms, floods, deliveries, imports and requests to Twilio need stays on the coordinator.
    left = {"alarm", "delivery", "delivery_attempt", "endpoint", "sender_watch"}
    left |= {"twilio_account", "twilio_consent", "twilio_target", "mail_flood", "mail_origin"}
    left |= {"import", "import_refusal"}
    assert given | left == await tables(conn)
    assert not given & left
    assert {row["place"] for row in placed} == {"reference", "bucket"}
