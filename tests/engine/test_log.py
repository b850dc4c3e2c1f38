import asyncio
import subprocess

import asyncpg
import pytest

from prefsvc.engine import running
from prefsvc.engine.log import ServerLog
from tests.engine.helpers import LOST, command_of, kill, on_linux, psql, until

SET_UP = "create table a (address text primary key check (address <> 'x')); insert into a values"
CANARY = "canary@example.com"
MISTAKES = [
    f"insert into a values ('{CANARY}')",
    f"select '{CANARY}'::int",
    f"select {CANARY}",
    f"do $$ begin raise exception '{CANARY}'; end $$",
    f"do $$ begin raise warning '{CANARY}'; end $$",
    f"select pg_terminate_backend(pg_backend_pid()) /* {CANARY} */",
]


def log_of(data_dir):
    return (data_dir / "log" / "postgresql.log").read_text()


def test_no_address_gets_into_the_log(data_dir):
    with running(data_dir) as engine:
        psql(engine.dsn, f"{SET_UP} ('{CANARY}')")
        for mistake in MISTAKES:
            if "warning" in mistake:
                psql(engine.dsn, mistake)
                continue
            with pytest.raises(subprocess.CalledProcessError):
                psql(engine.dsn, mistake)
    log = log_of(data_dir)
    assert "terminating connection due to administrator command" in log
    assert "canary" not in log


@on_linux
async def test_no_statement_of_a_crashed_backend_gets_into_the_log(data_dir):
    with running(data_dir) as engine:
        conn = await asyncpg.connect(engine.dsn)
        backend = conn.get_server_pid()
        statement = asyncio.create_task(conn.execute(f"select '{CANARY}', pg_sleep(99)"))
        await asyncio.to_thread(until, lambda: "SELECT" in command_of(backend))
        kill(backend)
        with pytest.raises(LOST):
            await statement
    log = log_of(data_dir)
    assert "was terminated by signal 9" in log
    assert "canary" not in log


def test_a_large_log_begins_anew_while_the_server_goes_on(data_dir):
    log = ServerLog(data_dir / "log" / "postgresql.log")
    with running(data_dir) as engine:
        before = log_of(data_dir)
        log.rotate(bytes_max=10**6)
        assert log_of(data_dir) == before
        log.rotate(bytes_max=10)
        assert log_of(data_dir) == ""
        assert (data_dir / "log" / "postgresql.log.1").read_text() == before
        assert psql(engine.dsn, "select 1") == "1"
    assert "database system is shut down" in log_of(data_dir)
    assert "\0" not in log_of(data_dir)


def test_the_tail_is_what_was_written_since(area):
    log = ServerLog(area / "log")
    (area / "log").write_text("old\n")
    since = log.size()
    with (area / "log").open("a") as file:
        file.writelines(f"line {n}\n" for n in range(5000))
    assert log.tail(since).splitlines() == [f"line {n}" for n in range(4990, 5000)]
    (area / "log").write_text("new\n")
    assert log.tail(since * 1000) == "new"
