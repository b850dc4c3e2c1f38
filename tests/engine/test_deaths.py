import asyncio
import os
import signal
import subprocess
from pathlib import Path

import asyncpg
import pytest

from prefsvc.engine import RestartPolicy, running
from prefsvc.engine.account import running_cluster
from prefsvc.engine.leftovers import MARK, processes
from prefsvc.errors import EngineKeepsFailing, ForeignServer
from tests.engine.helpers import (
    BINDIR,
    LOST,
    command_of,
    identity,
    is_alive,
    kill,
    on_linux,
    psql,
    service,
    until,
)

pytestmark = on_linux
IMPATIENT = RestartPolicy(poll_seconds=0.01, failures_max=2, first_delay_seconds=0.01)


@pytest.mark.parametrize("kind", ["service", "thread"])
def test_the_server_stops_by_itself_when_the_service_is_killed(data_dir, kind):
    with service(data_dir, kind=kind) as (process, said):
        psql(said["dsn"], "create table kept as select 42 as answer")
        kill(process.pid)
        until(lambda: not processes(data_dir / "postgres"))
        assert not (data_dir / "postgres" / "postmaster.pid").exists()
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select answer from kept") == "42"


def test_a_service_may_start_at_the_moment_the_other_was_killed(data_dir):
    with service(data_dir) as (process, said):
        kill(process.pid)
        process.wait()
        with running(data_dir) as engine:
            assert not is_alive(said["pid"])
            assert psql(engine.dsn, "select 1") == "1"


def test_everything_killed_at_once_recovers(data_dir):
    with service(data_dir) as (process, said):
        sockets = Path(said["dsn"].split("host=")[1].split("&")[0])
        kill(*processes(data_dir / "postgres"), process.pid)
        process.wait()
        assert sockets.exists()
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select 1") == "1"
        assert not sockets.exists()


async def test_a_killed_server_is_started_again_and_the_pool_reconnects(data_dir):
    stop = asyncio.Event()
    with running(data_dir) as engine:
        watch = asyncio.create_task(engine.watch(stop, IMPATIENT))
        async with asyncpg.create_pool(engine.dsn, min_size=2, max_size=2) as pool:
            assert await pool.fetchval("select 1") == 1
            before = engine.pid
            kill(before)
            await asyncio.to_thread(until, lambda: engine.pid != before)
            assert await answered(pool) == 1
        stop.set()
        await watch
    assert not is_alive(engine.pid)


async def answered(pool):
    async with asyncio.timeout(20):
        while True:
            try:
                return await pool.fetchval("select 1")
            except LOST:
                await asyncio.sleep(0.01)


async def test_a_busy_child_of_a_killed_server_does_not_hold_up_the_next(data_dir):
    stop = asyncio.Event()
    with running(data_dir) as engine:
        watch = asyncio.create_task(engine.watch(stop, IMPATIENT))
        busy = await asyncpg.connect(engine.dsn)
        endless = asyncio.create_task(busy.execute("do $$ begin loop end loop; end $$"))
        child = busy.get_server_pid()
        await asyncio.to_thread(until, lambda: " DO" in command_of(child))
        kill(engine.pid)
        with pytest.raises(LOST):
            await asyncio.wait_for(endless, 20)
        async with asyncpg.create_pool(engine.dsn, min_size=0) as pool:
            assert await answered(pool) == 1
        assert not is_alive(child)
        stop.set()
        await watch


async def test_a_server_that_keeps_dying_is_given_up_loudly_until_mended(data_dir):
    control = data_dir / "postgres" / "global" / "pg_control"
    with running(data_dir) as engine:
        before = control.read_bytes()
        control.write_bytes(b"")
        kill(engine.pid)
        with pytest.raises(EngineKeepsFailing, match=r"(?s)ended 3 times.*pg_control"):
            await engine.watch(asyncio.Event(), IMPATIENT)
    control.write_bytes(before)
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select 1") == "1"


async def test_a_server_that_dies_now_and_then_is_not_given_up(data_dir):
    stop = asyncio.Event()
    long_enough = RestartPolicy(poll_seconds=0.01, failures_max=1, quick_seconds=0)
    with running(data_dir) as engine:
        watch = asyncio.create_task(engine.watch(stop, long_enough))
        for _ in range(3):
            before = engine.pid
            kill(before)
            await asyncio.to_thread(until, lambda before=before: engine.pid != before)
        stop.set()
        await watch


def test_waits_grow_to_a_limit():
    policy = RestartPolicy(first_delay_seconds=0.1, delay_seconds_max=5)
    assert [policy.delay_seconds(n) for n in (1, 2, 3, 4)] == pytest.approx([0.1, 0.4, 1.6, 5])


@pytest.fixture
def by_hand(data_dir):
    """Start a server on the cluster that no living service has started."""
    cluster = data_dir / "postgres"
    started = []

    def start(*options):
        command = [BINDIR / "postgres", "-D", cluster, "-k", data_dir.parent, "-h", "", *options]
        server = subprocess.Popen(
            [str(word) for word in command],
            stderr=subprocess.DEVNULL,
            **identity(running_cluster(cluster)),
        )
        started.append(server)
        until(lambda: "ready" in lock_file(cluster))
        return server

    data_dir.parent.chmod(0o777)
    yield start
    for server in started:
        if server.poll() is None:
            server.terminate()
        server.wait()


def lock_file(cluster):
    file = cluster / "postmaster.pid"
    return file.read_text() if file.exists() else ""


def test_a_live_orphan_is_stopped_and_never_connected_to(data_dir, by_hand):
    orphan = by_hand("-c", MARK)
    with running(data_dir) as engine:
        assert engine.pid != orphan.pid
        assert orphan.wait() == 0
        assert psql(engine.dsn, "select 1") == "1"


def test_a_server_that_prefsvc_did_not_start_is_left_alone(data_dir, by_hand):
    foreign = by_hand()
    with pytest.raises(ForeignServer, match=f"process {foreign.pid}"), running(data_dir):
        pass
    assert foreign.poll() is None


def test_the_pid_of_a_zombie_in_the_lock_file_does_not_matter(data_dir):
    cluster = data_dir / "postgres"
    account = running_cluster(cluster)
    zombie = subprocess.Popen(["/bin/true"], **identity(account))
    until(lambda: not is_alive(zombie.pid))
    write_lock_file(cluster, zombie.pid)
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select 1") == "1"
    zombie.wait()


def test_a_recycled_pid_in_the_lock_file_does_not_matter(data_dir):
    cluster = data_dir / "postgres"
    other = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, **identity_of(cluster))
    write_lock_file(cluster, other.pid)
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select 1") == "1"
    assert other.poll() is None
    other.communicate()


def identity_of(cluster):
    return identity(running_cluster(cluster))


def write_lock_file(cluster, pid):
    file = cluster / "postmaster.pid"
    file.write_text(f"{pid}\n{cluster}\n1700000000\n5432\n/tmp\n\n  1 1\nready   \n")
    running_cluster(cluster).give(file)


def test_without_the_cure_postgresql_refuses_such_a_lock_file(data_dir):
    cluster = data_dir / "postgres"
    other = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, **identity_of(cluster))
    write_lock_file(cluster, other.pid)
    refused = subprocess.run(
        [BINDIR / "postgres", "-D", cluster],
        capture_output=True,
        text=True,
        check=False,
        **identity_of(cluster),
    )
    other.communicate()
    assert 'lock file "postmaster.pid" already exists' in refused.stderr


def test_a_hung_server_is_killed_in_the_end(data_dir, monkeypatch):
    stops = ((signal.SIGINT, 0.1), (signal.SIGQUIT, 0.1), (signal.SIGKILL, 10.0))
    monkeypatch.setattr("prefsvc.engine.server._STOPS", stops)
    with running(data_dir) as engine:
        os.kill(engine.pid, signal.SIGSTOP)
    assert not is_alive(engine.pid)
    assert not processes(data_dir / "postgres")
    with running(data_dir) as engine:
        assert psql(engine.dsn, "select 1") == "1"
