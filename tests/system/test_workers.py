"""Several processes serve: killed, stuck or replaced, nothing that was acknowledged is lost."""

import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.db.test_lease import HOLDER
from tests.support.running_service import (
    ask_database,
    children,
    open_folder,
    printed,
    run,
    servers_of,
    serving,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

SETTINGS = {"workers": 2, "worker_silence_seconds": 12, "lease_silence_seconds": 2}
CLIENTS = 6


def workers(service):
    """Return the processes that serve, by their numbers; of two in a place the older one."""
    found = children(service.process.pid, b"prefsvc.processes.worker")
    numbers = {pid: json.loads(words[-2])["number"] for pid, words in found.items()}
    return {numbers[pid]: pid for pid in sorted(numbers, reverse=True)}


def sample(service, name):
    """Return the sum of a metric's samples."""
    text = service.ask("/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(name, line))


def leading(service):
    """Return the process that runs the loops of all, by its session; None while none does."""
    query = f"""
        select count(*), min(application_name) from pg_stat_activity
        where pid in (select h.pid from ({HOLDER}) as h)
    """
    count, name = ask_database(service.folder, query)
    assert count <= 1
    return int(name.removeprefix("prefsvc lease ")) if count else None


@pytest.fixture(scope="module")
def service():
    with open_folder() as folder, serving(folder, **SETTINGS) as service:
        until(lambda: service.event("serving"))
        until(lambda: sample(service, "prefsvc_workers ") == 2)
        yield service


@pytest.fixture(scope="module")
def key(service):
    until(lambda: "first API key" in service.out)
    return printed(service.out, "first API key")


@pytest.fixture(scope="module")
def brand(service, key):
    return service.out.split("/v1/brands/")[1].split(";")[0]


class Crowd:
    """People who opt out one after the other, each over a connection of its own."""

    def __init__(self, service, brand, key, name):
        self.port, self.path = service.port, f"/v1/brands/{brand}/opt-outs"
        self.key, self.name = key, name
        self.answered, self.faults, self.statuses = [], [], set()
        self.leave = threading.Event()
        self.threads = [threading.Thread(target=self.say, args=(n,)) for n in range(CLIENTS)]

    def say(self, client):
        number = 0
        while not self.leave.is_set():
            address = f"{self.name}-{client}-{number}@example.com"
            number += 1
            try:
                status = self.post(address)
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(type(error).__name__)
                continue
            self.statuses.add(status)
            if status in {200, 201}:
                self.answered.append(address)

    def post(self, address):
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps({"channel": "email", "address": address})
            line.request("POST", self.path, body, {"Authorization": f"Bearer {self.key}"})
            return line.getresponse().status
        finally:
            line.close()


@contextmanager
def crowd(service, brand, key, name):
    made = Crowd(service, brand, key, name)
    for thread in made.threads:
        thread.start()
    try:
        until(lambda: len(made.answered) > CLIENTS)
        yield made
        before = len(made.answered)
        until(lambda: len(made.answered) > before + CLIENTS)
    finally:
        made.leave.set()
        for thread in made.threads:
            thread.join()


def suppressed(service, brand, key, name):
    lines = service.ask(f"/v1/brands/{brand}/suppressions", key=key).body.splitlines()
    found = [json.loads(line)["address"] for line in lines[:-1]]
    mine = [address for address in found if address.startswith(name)]
    assert len(mine) == len(set(mine))
    return set(mine)


def test_workers_that_are_killed_lose_nothing_that_was_acknowledged(service, brand, key):
    lost = sample(service, "prefsvc_workers_lost_total")
    with crowd(service, brand, key, "killed") as people:
        for turn in range(1, 5):
            os.kill(workers(service)[turn % 2], signal.SIGKILL)
            until(lambda turn=turn: sample(service, "prefsvc_workers_lost_total") == lost + turn)
            until(lambda: sample(service, "prefsvc_workers ") == 2)
    # What was under way in them was cut off; nobody was refused, and nobody was told otherwise.
    assert set(people.faults) <= {"ConnectionResetError", "RemoteDisconnected"}
    assert people.statuses <= {200, 201}
    assert set(people.answered) <= suppressed(service, brand, key, "killed")


def test_a_restart_refuses_no_connection_and_cuts_none_off(service, brand, key):
    before = workers(service)
    with crowd(service, brand, key, "restarted") as people:
        for _ in range(2):
            known = workers(service)
            service.process.send_signal(signal.SIGHUP)
            until(lambda known=known: not set(known.values()) & set(workers(service).values()))
            until(lambda: sample(service, "prefsvc_workers ") == 2)
    assert not set(before.values()) & set(workers(service).values())
    assert (people.faults, people.statuses) == ([], {201})
    assert set(people.answered) == suppressed(service, brand, key, "restarted")


def test_metrics_are_the_sum_over_workers_and_never_fall(service, brand, key):
    counted = 'prefsvc_opt_outs_total.*source="api"'
    with crowd(service, brand, key, "counted") as people:
        pass
    total = sample(service, counted)
    ledger = ask_database(service.folder, "select count(*) from preference_event")
    assert len(people.answered) <= total <= ledger[0]
    assert sample(service, "prefsvc_requests_total.*opt-outs") >= total
    for _ in range(4):
        assert sample(service, counted) == total
    service.process.send_signal(signal.SIGHUP)
    known = set(workers(service).values())
    until(lambda: not known & set(workers(service).values()))
    until(lambda: sample(service, "prefsvc_workers ") == 2)
    assert sample(service, counted) == total


def test_a_worker_that_is_stuck_is_killed_and_the_loops_go_on_elsewhere(service):
    until(lambda: sample(service, "prefsvc_leads ") == 1)
    led = leading(service)
    os.kill(led, signal.SIGSTOP)
    until(lambda: leading(service) not in {led, None})
    until(lambda: led not in workers(service).values())
    until(lambda: sample(service, "prefsvc_workers ") == 2)
    assert service.event("worker_lost")["how"] == "silent"
    until(lambda: sample(service, "prefsvc_leads ") == 1)


def test_the_loops_go_on_elsewhere_when_their_worker_is_killed(service):
    for _ in range(3):
        until(lambda: sample(service, "prefsvc_workers ") == 2 and leading(service))
        led = leading(service)
        os.kill(led, signal.SIGKILL)
        until(lambda led=led: leading(service) not in {led, None})
    until(lambda: sample(service, "prefsvc_leads ") == 1)
    assert ask_database(service.folder, f"select count(*) from ({HOLDER}) as h") == (1,)


def test_another_service_cannot_share_the_port_by_accident(service, tmp_path):
    ran = run(tmp_path, "serve", port=service.port, workers=2)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"prefsvc: Cannot listen on 127.0.0.1:{service.port} (")


def test_what_a_worker_refuses_at_the_first_start_is_said_and_ends_it(tmp_path):
    with open_folder() as folder:
        (folder / "brands").mkdir()
        ran = run(folder, "serve", workers=2, brands_dir=folder / "brands")
        assert ran.returncode == 1
        assert "prefsvc: PREFSVC_BRANDS_DIR (" in ran.stderr
        assert not servers_of(folder)


def test_sigterm_stops_every_worker_and_lets_requests_finish():
    with open_folder() as folder, serving(folder, **SETTINGS) as service:
        until(service.is_ready)
        brand = service.out.split("/v1/brands/")[1].split(";")[0]
        key = printed(service.out, "first API key")
        poll = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        poll.request(
            "GET", f"/v1/brands/{brand}/feed?wait=50", headers={"Authorization": f"Bearer {key}"}
        )
        until(lambda: sample(service, "prefsvc_feed_waiters ") == 1)
        pids = workers(service).values()
        assert service.stop() == 0
        assert poll.getresponse().status == 200
        poll.close()
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        assert not servers_of(folder)


def test_workers_end_with_a_parent_that_is_killed():
    with open_folder() as folder, serving(folder, **SETTINGS) as service:
        until(service.is_ready)
        pids = list(workers(service).values())
        assert pids
        service.stop(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", service.port)):
            pass
