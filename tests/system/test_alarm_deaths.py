"""A real service is killed while it raises alarms: none is lost, and none is raised twice."""

import json
import signal
import sys
import threading
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.running_service import execute, open_folder, run, serving, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

SENDERS = 100
KILLED_AT = (1, 40, 80)
BRAND = "petite-studio"
ALARMS = f"/v1/brands/{BRAND}/alarms?limit=1000"
SETTINGS = {
    "outward_networks_allowed": "127.0.0.0/8",
    "alarm_seconds": 0.05,
    "delivery_timeout_seconds": 1,
}
# They have been here for long, and have acknowledged nothing.
ADD_SENDERS = f"""
insert into sender (sender_id, brand_id, slug, channel, created_at, acknowledged)
select gen_random_uuid(), brand_id, 's' || n, 'email', now() - interval '300 days',
    array_fill(0, array[64])
from brand, generate_series(1, {SENDERS}) as n
where slug = '{BRAND}'
"""
LONG_AGO = "update installation set epoch_began_at = now() - interval '300 days'"


class Received:
    """What arrived: the webhook-ids under which each alarm came, and how often it came."""

    def __init__(self):
        self.ids = defaultdict(set)
        self.count = 0
        self.changed = threading.Condition()

    def add(self, webhook_id, alarm_id):
        with self.changed:
            self.ids[alarm_id].add(webhook_id)
            self.count += 1
            self.changed.notify_all()

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.ids) >= count, timeout=120)


@contextmanager
def receiving():
    received = Received()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()
            received.add(self.headers["webhook-id"], body["data"]["alarm_id"])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def operators_key(folder):
    made = run(folder, "keys", "create", "--label", "test")
    assert made.returncode == 0, made.stderr
    return made.stdout.split()[-1]


def post(service, path, key, **body):
    reply = service.ask(f"/v1/brands/{BRAND}/{path}", body=json.dumps(body).encode(), key=key)
    assert reply.status in (200, 201), reply.body


def begin(service, folder, url):
    """Make everything such that all senders are overdue from one moment to the next."""
    until(service.is_ready)
    key = operators_key(folder)
    execute(folder, LONG_AGO, ADD_SENDERS)
    post(service, "endpoints", key, url=url, events=["alarm"])
    post(
        service, "opt-outs", key, channel="email", address="ann@example.org", source="letter",
        received_at="2026-01-05T09:00:00Z",
    )  # fmt: skip
    return key


def test_every_sender_has_one_alarm_and_it_arrives_whatever_is_killed():
    with open_folder() as folder, receiving() as (url, received):
        key = None
        for count in KILLED_AT:
            with serving(folder, **SETTINGS) as service:
                key = key or begin(service, folder, url)
                received.wait_for(count)
                service.stop(signal.SIGKILL)
        with serving(folder, **SETTINGS) as service:
            until(service.is_ready)
            received.wait_for(SENDERS)
            raised = service.ask(ALARMS, key=key).document["alarms"]
    assert sorted(one["sender"] for one in raised) == sorted(f"s{n + 1}" for n in range(SENDERS))
    assert {one["step"] for one in raised} == {"overdue"}
    assert {one["alarm_id"] for one in raised} == set(received.ids)
    assert all(len(ids) == 1 for ids in received.ids.values())
