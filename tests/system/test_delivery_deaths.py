"""Killed with SIGKILL while a receiver has not answered yet: after a restart everything arrives."""

import json
import signal
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.running_service import open_folder, run, serving, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine's own tests say why")

SETTINGS = {
    "outward_networks_allowed": "127.0.0.0/8",
    "delivery_timeout_seconds": 2,
    "delivery_schedule_seconds": "0.2,0.2,0.2,0.2,0.2",
    "checkpoint_seconds": 60,
}
NOTICES = 12


@dataclass
class Slow:
    """A receiver that answers nothing until it is let go, and remembers every request."""

    url: str = ""
    ids: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    let_go: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiving():
    slow = Slow()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            slow.ids.append(self.headers["webhook-id"])
            slow.let_go.wait()
            try:
                self.send_response(204)
                self.end_headers()
            except ConnectionError:
                return  # who asked is dead
            slow.answered.add(self.headers["webhook-id"])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    slow.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield slow
    finally:
        slow.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_notice_arrives_though_the_process_is_killed_while_sending():
    with open_folder() as folder, receiving() as slow:
        with serving(folder, **SETTINGS) as first:
            until(first.is_ready)
            until(lambda: "first API key" in first.out)
            brand = first.out.split("/v1/brands/")[1].split(";")[0]
            house = House(first, brand, run(folder, "keys", "create").stdout.strip())
            endpoint = house.add(slow.url)
            sent = {house.test(endpoint) for _ in range(NOTICES)}
            until(lambda: slow.ids)
            held = set(slow.ids)
            assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        slow.let_go.set()
        with serving(folder, **SETTINGS) as second:
            until(second.is_ready)
            again = replace(house, service=second)
            until(lambda: all(one["state"] == "delivered" for one in again.log(endpoint)))
            assert {one["delivery_id"] for one in again.log(endpoint)} == sent
    assert slow.answered == sent
    counts = Counter(slow.ids)
    assert all(counts[name] >= 2 for name in held)


@dataclass(frozen=True)
class House:
    """The service as its operator calls it."""

    service: object
    brand: str
    key: str

    def _ask(self, path, body=None):
        url = f"/v1/brands/{self.brand}/endpoints{path}"
        answer = self.service.ask(url, body=body, key=self.key)
        assert 200 <= answer.status < 300, answer.body
        return answer.document

    def add(self, url):
        body = json.dumps({"url": url, "events": ["alarm"]}).encode()
        return self._ask("", body)["endpoint_id"]

    def test(self, endpoint):
        return self._ask(f"/{endpoint}/test", b"")["delivery_id"]

    def log(self, endpoint):
        return self._ask(f"/{endpoint}/deliveries")["deliveries"]
