"""However many connect and say nothing, speak slowly or listen slowly: opt-outs are taken."""

import http.client
import json
import resource
import select
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import pytest

from tests.support.running_service import (
    PREFSVC,
    children,
    execute,
    open_folder,
    printed,
    serving,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

SLOWHTTPTEST = shutil.which("slowhttptest")
ANSWER_SECONDS_MAX = 5.0
TRIES = 40
TRIES_UNDER_LOAD = 10
LIMIT = 4096
SNAPSHOTS = 4
"""As many as stream at once."""
SETTINGS = {
    "header_timeout_seconds": 3,
    "write_timeout_seconds": 3,
    "connections_max": 1500,
    "log_level": "info",
}


class House:
    """A service, and somebody who opts out at it, over a new connection each time."""

    def __init__(self, service, port):
        until(lambda: "first API key" in service.out)
        self.service, self.port = service, port
        self.key = printed(service.out, "first API key")
        self.brand = service.out.split("/v1/brands/")[1].split(";")[0]
        self.count = 0

    def opt_out(self):
        """Say stop once; return after how many seconds it was acknowledged."""
        self.count += 1
        body = json.dumps({"channel": "email", "address": f"p{self.count}@example.com"})
        began = time.monotonic()
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}"}
        line.request("POST", f"/v1/brands/{self.brand}/opt-outs", body, headers)
        # Where all is slow the spool keeps it; either way it is acknowledged.
        assert line.getresponse().status in (201, 202)
        line.close()
        return time.monotonic() - began

    def seconds(self, tries=TRIES):
        """Say stop again and again; return what each took."""
        return [self.opt_out() for _ in range(tries)]

    def metric(self, name):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        line.request("GET", "/metrics")
        text = line.getresponse().read().decode()
        line.close()
        return sum(float(row.split()[-1]) for row in text.splitlines() if row.startswith(name))


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module", params=[1, 2], ids=["alone", "two workers"])
def house(request):
    port = free_port()
    given = SETTINGS | {"port": port, "workers": request.param}
    with open_folder() as folder, serving(folder, **given) as service:
        yield House(service, port)


def assert_served(house, unloaded, under_load):
    """Slower, as everything is on a busy machine; but served, and in its turn."""
    assert max(under_load) < ANSWER_SECONDS_MAX
    assert median(under_load) < 20 * median(unloaded) + 0.05


@pytest.mark.skipif(not SLOWHTTPTEST, reason="slowhttptest is not installed")
@pytest.mark.parametrize(
    "attack",
    [
        ("-H", "-i", "1"),  # heads that never end
        ("-B", "-i", "1", "-s", "8192"),  # bodies that never end
        ("-X", "-w", "1", "-y", "8", "-n", "1", "-z", "4", "-k", "8"),  # readers that hardly read
    ],
    ids=["slow heads", "slow bodies", "slow readers"],
)
def test_slowhttptest_keeps_no_opt_out_out(house, attack):
    unloaded = house.seconds()
    url = f"http://127.0.0.1:{house.port}/docs"
    command = [SLOWHTTPTEST, *attack, "-c", "800", "-r", "400", "-l", "12", "-u", url, "-p", "3"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **silent) as attacker:
        under_load = []
        while attacker.poll() is None:
            under_load += house.seconds(5)
    assert len(under_load) >= TRIES_UNDER_LOAD
    assert_served(house, unloaded, under_load)


@contextmanager
def idle(port, count):
    """Connect this many times and say nothing."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            for _ in range(count)
        ]


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this account may not open enough files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_thousand_idle_connections_keep_no_opt_out_out(house, many_files):
    unloaded = house.seconds()
    with idle(house.port, 2000) as lines:
        assert_served(house, unloaded, house.seconds())
        # None is kept for ever: what says nothing is hung up on.
        for line in lines:
            line.settimeout(60)
            try:
                assert line.recv(1) == b""
            except ConnectionResetError:
                continue
    until(lambda: house.metric("prefsvc_connections ") < 20)


ROWS = 200_000
KEY = "decode(lpad(to_hex(n), 32, '0'), 'hex')"
MANY_SUPPRESSIONS = (
    f"""insert into address (bucket, address_key, channel, canonical, pepper_version, first_seen_at)
    select n % 64, {KEY}, 'email', 'many-' || n || '@example.com', 1, now()
    from generate_series(1, {ROWS}) as n on conflict do nothing""",
    f"""insert into suppression (bucket, brand_id, address_key, scope, topic, reason, channel,
        active, said_at, deadline_at, event_id, position)
    select n % 64, b.brand_id, {KEY}, 'channel', '', 'opt_out', 'email', true, now(), now(),
        gen_random_uuid(), 1
    from generate_series(1, {ROWS}) as n, brand as b on conflict do nothing""",
)


def test_running_out_of_files_is_got_over(house):
    pid = house.service.process.pid
    serves = [pid, *children(pid, b"prefsvc.processes.worker")]
    for one in serves:
        opened = len(list(Path(f"/proc/{one}/fd").iterdir()))
        resource.prlimit(one, resource.RLIMIT_NOFILE, (opened + 4, LIMIT))
    try:
        with idle(house.port, 100):
            pass
    finally:
        for one in serves:
            resource.prlimit(one, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    assert max(house.seconds()) < ANSWER_SECONDS_MAX


def test_with_few_files_there_are_fewer_connections():
    command = ("bash", "-c", 'ulimit -n 256; exec "$@"', "bash", *PREFSVC)
    port = free_port()
    with open_folder() as folder, serving(folder, command=command, port=port) as service:
        house = House(service, port)
        assert service.event("few_files")["connections_max"] < 256
        with idle(port, 300):
            assert max(house.seconds()) < ANSWER_SECONDS_MAX


def test_who_hardly_reads_a_list_is_hung_up_on_and_takes_no_place_from_anybody(house):
    execute(house.service.folder, *MANY_SUPPRESSIONS)
    unloaded = house.seconds()
    with ExitStack() as stack:
        readers = [stack.enter_context(slow_reader(house)) for _ in range(12)]
        until(lambda: len(select.select(readers, [], [], 0)[0]) >= SNAPSHOTS)
        assert_served(house, unloaded, house.seconds())
        ended = 'prefsvc_connections_ended_total{why="slow_reader"}'
        until(lambda: house.metric(ended) >= SNAPSHOTS)
    assert_served(house, unloaded, house.seconds())


@contextmanager
def slow_reader(house):
    """Ask for the whole list with the smallest window there is, and read nothing of it."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        line.settimeout(60)
        line.connect(("127.0.0.1", house.port))
        line.sendall(
            f"GET /v1/brands/{house.brand}/suppressions HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {house.key}\r\n\r\n".encode()
        )
        yield line
