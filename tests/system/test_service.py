import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from prefsvc.examples import examples
from tests.support import scratch_database
from tests.support.running_service import (
    LIMIT_SECONDS,
    execute,
    open_folder,
    printed,
    run,
    servers_of,
    serving,
    until,
)
from tests.support.scratch_database import named

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

GRACE_SECONDS = 20
ONE_CLICK = b"List-Unsubscribe=One-Click"


@pytest.fixture(scope="module")
def house():
    """A folder in which a service was started for the first time, greeted and was stopped."""
    with open_folder() as folder:
        with serving(folder) as first:
            until(first.is_ready)
            assert servers_of(folder)
            assert first.stop() == 0
        assert not servers_of(folder)
        subprocess.run(["cp", "-a", folder / "data", folder / "template"], check=True)
        yield folder


@pytest.fixture(scope="module")
def welcome(house):
    return (house / "out").read_text()


@pytest.fixture(scope="module")
def key(welcome):
    return printed(welcome, "first API key")


@pytest.fixture(scope="module")
def brand(welcome):
    return welcome.split("/v1/brands/")[1].split(";")[0]


@pytest.fixture(scope="module")
def service(house, welcome):
    """The second start of that service."""
    with serving(house) as second:
        until(second.is_ready)
        yield second


@pytest.fixture
def copy(house, welcome):
    """Another house, as the first was after its first start."""
    with open_folder() as folder:
        subprocess.run(["cp", "-a", house / "template", folder / "data"], check=True)
        yield folder


def addresses(service, brand, key):
    lines = service.ask(f"/v1/brands/{brand}/suppressions", key=key).body.splitlines()
    assert json.loads(lines[-1])["end"] is True
    return {json.loads(line)["address"] for line in lines[:-1]}


def say_stop(service, brand, key, address):
    body = json.dumps({"channel": "email", "address": address}).encode()
    return service.ask(f"/v1/brands/{brand}/opt-outs", body=body, key=key)


def test_the_first_start_prints_a_link_a_key_and_three_commands(welcome):
    assert printed(welcome, "unsubscribe").startswith("http://127.0.0.1:")
    assert printed(welcome, "first API key").startswith("psk_")
    assert sum(line.startswith("  curl ") for line in welcome.splitlines()) == 4


def test_the_second_start_is_quick_and_prints_the_same_key_and_link(service, welcome, key):
    assert printed(service.out, "first API key") == key
    link = printed(service.out, "unsubscribe")
    assert link.rpartition("/")[2] == printed(welcome, "unsubscribe").rpartition("/")[2]


@pytest.mark.skipif(not shutil.which("curl"), reason="the commands are curl's")
def test_the_printed_commands_lead_from_a_click_to_a_clearance(service, tmp_path):
    commands = "\n".join(line for line in service.out.splitlines() if line[:4] in ("  b=", "  cu"))
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace("curl ", "curl -sS --fail ")],
        check=True, capture_output=True, text=True, cwd=tmp_path, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    assert "ann@example.org" in (tmp_path / "list.ndjson").read_text()
    assert '"clearance":true' in ran.stdout


def test_the_printed_link_shows_a_page_and_takes_one_click(service, brand, key):
    link = printed(service.out, "unsubscribe")
    assert b"<form" in service.ask(link).body
    assert service.ask(link, body=ONE_CLICK).status == 200
    assert "ann@example.org" in addresses(service, brand, key)


def test_the_printed_key_pulls_acknowledges_and_gets_clearance(service, brand, key):
    room = f"/v1/brands/{brand}"
    end = service.ask(f"{room}/suppressions", key=key).body.splitlines()[-1]
    assert service.ask(f"{room}/feed/acknowledgements", body=end, key=key).status == 200
    cleared = service.ask(f"{room}/senders/first-sender/clearance", key=key)
    assert cleared.status == 200
    assert cleared.document["clearance"] is True


def test_a_second_service_on_the_same_data_is_refused_and_the_first_goes_on(service, house):
    ran = run(house, "serve")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("prefsvc: another prefsvc (process ")
    assert "stop it first" in ran.stderr
    assert service.is_ready()


def test_a_port_that_is_taken_is_told_before_anything_else_starts(service, tmp_path):
    ran = run(tmp_path, "serve", port=service.port)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"prefsvc: Cannot listen on 127.0.0.1:{service.port} (")
    assert not (tmp_path / "data").exists()


def test_one_process_alone_does_not_die_of_being_asked_to_restart(service):
    service.process.send_signal(signal.SIGHUP)
    assert service.event("restart_needs_workers")
    assert service.is_ready()


def test_a_wrong_setting_stops_the_start_and_is_not_shown(tmp_path):
    ran = run(tmp_path, "serve", port="s3cret")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("prefsvc: PREFSVC_PORT: ")
    assert "s3cret" not in ran.stderr
    assert not (tmp_path / "data").exists()


def test_commands_work_beside_the_service_and_without_it(service, house, copy):
    beside, without = run(house, "keys", "list"), run(copy, "keys", "list")
    assert (beside.returncode, beside.stderr) == (without.returncode, without.stderr) == (0, "")
    assert beside.stdout == without.stdout
    assert "made at the first start" in without.stdout
    assert not servers_of(copy)


def test_a_stop_answers_polls_and_finishes_streams(copy, brand, key):
    with (
        serving(copy, shutdown_grace_seconds=GRACE_SECONDS) as service,
        ThreadPoolExecutor() as pool,
    ):
        until(service.is_ready)
        execute(copy, *many_opt_outs(brand, 40_000))
        room = f"/v1/brands/{brand}"
        cursor = service.ask(f"{room}/feed", key=key).document["cursor"]
        poll = pool.submit(service.ask, f"{room}/feed?after={cursor}&wait=50", key=key)
        until(lambda: b"\nprefsvc_feed_waiters 1.0" in service.ask("/metrics").body)
        stream = slow_reader(service, f"{room}/suppressions", key)
        begun = stream.recv(1000)
        started_at = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        answer = poll.result(LIMIT_SECONDS)
        assert service.process.poll() is None
        rest = rest_of(stream)
        assert service.process.wait(LIMIT_SECONDS) == 0
        assert time.monotonic() - started_at < GRACE_SECONDS
    assert (answer.status, answer.document["changes"]) == (200, [])
    assert begun.startswith(b"HTTP/1.1 200 ")
    assert rest.count(b'"address":') + begun.count(b'"address":') > 39_000
    assert b'"end":true' in rest[-400:]
    assert not servers_of(copy)


def many_opt_outs(brand, count):
    """Return statements that put suppressions into the database, more than any buffer holds."""
    return [
        statement.format(rows=f"generate_series(1, {count}) as number", brand=brand)
        for statement in (
            """
            insert into address
            select number % 64, substr(sha256(number::text::bytea), 1, 16), 'email',
                'person' || number || '@example.org', null, null, 1, now(), null
            from {rows}
            """,
            """
            insert into suppression (
                bucket, brand_id, address_key, scope, topic, reason, channel, active, said_at,
                deadline_at, event_id, position
            )
            select number % 64, brand_id, substr(sha256(number::text::bytea), 1, 16), 'brand', '',
                'opt_out', 'email', true, now(), now() + interval '10 days', gen_random_uuid(),
                number
            from {rows}, brand where slug = '{brand}'
            """,
        )
    ]


def slow_reader(service, path, key):
    """Ask for a stream, with hardly any room for what has not been read."""
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.settimeout(LIMIT_SECONDS)
    stream.connect(("127.0.0.1", service.port))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close"
    stream.sendall(head.encode() + b"\r\n\r\n")
    return stream


def rest_of(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    with stream:
        return b"".join(iter(lambda: stream.recv(1 << 16), b""))


def test_every_acknowledged_opt_out_is_there_after_kill_9_of_the_service(copy, brand, key):
    acknowledged = []
    with serving(copy) as service, ThreadPoolExecutor(4) as pool:
        until(service.is_ready)

        def say(number):
            address = f"person{number}@example.org"
            try:
                if say_stop(service, brand, key, address).status == 201:
                    acknowledged.append(address)
            except OSError:
                pass  # it was killed: no promise was made

        saying = [pool.submit(say, number) for number in range(400)]
        until(lambda: len(acknowledged) >= 40)
        os.kill(service.process.pid, signal.SIGKILL)
        for one in saying:
            one.result(LIMIT_SECONDS)
    assert 40 <= len(acknowledged) < 400
    with serving(copy) as service:
        until(service.is_ready)
        assert set(acknowledged) <= addresses(service, brand, key)


def test_after_kill_9_of_postgresql_the_service_recovers_by_itself(copy, brand, key):
    with serving(copy) as service:
        until(service.is_ready)
        server = service.event("serving")["pid_of_postgresql"]
        os.kill(server, signal.SIGKILL)
        statuses = []

        def is_recorded():
            answer = say_stop(service, brand, key, "gap@example.org")
            statuses.append(answer.status)
            return answer.status == 201

        until(is_recorded)
        until(service.is_ready)
        assert set(statuses) <= {201, 503}
        assert addresses(service, brand, key) == {"gap@example.org"}
        assert service.stop() == 0
    assert not servers_of(copy)


def test_the_service_takes_opt_outs_while_its_database_does_not_come_back(copy):
    with serving(copy) as service:
        until(service.is_ready)
        server = service.event("serving")["pid_of_postgresql"]
        programs = copy / "data" / "postgres" / "postgresql.conf"
        aside = programs.rename(programs.with_suffix(".aside"))
        os.kill(server, signal.SIGKILL)
        until(lambda: service.ask("/readyz").document["status"] == "spooling")
        assert service.ask("/readyz").status == service.ask("/livez").status == 200
        aside.rename(programs)
        until(lambda: service.ask("/readyz").document["status"] == "ready")
        assert service.stop() == 0


def test_two_services_start_at_once_on_one_empty_database(server_url, tmp_path):
    name = f"prefsvc_two_{os.getpid()}"
    secrets = tmp_path / "secrets"
    assert run(tmp_path, "secrets", "make", secrets_dir=secrets).returncode == 0
    sql(server_url, f"create database {name} template template0 encoding 'UTF8'")
    given = {"database_url": named(server_url, name), "secrets_dir": secrets}
    given["brands_dir"] = examples()
    try:
        with serving(tmp_path / "a", **given) as one, serving(tmp_path / "b", **given) as other:
            until(one.is_ready)
            until(other.is_ready)
            made = run(tmp_path, "keys", "create", **given)
            for service in (one, other):
                listed = service.ask("/v1/brands", key=made.stdout.strip())
                assert len(listed.document["brands"]) == 5
            assert (one.stop(), other.stop()) == (0, 0)
            assert "fault" not in one.err + other.err
    finally:
        sql(server_url, f"drop database {name} with (force)")


def sql(dsn, statement):
    asyncio.run(scratch_database._execute(dsn, statement))
