"""`prefsvc mail lint` and `prefsvc mail selftest`, as an operator runs them."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

GOOD = (
    b"List-Unsubscribe: <https://stop.example.com/u/abc>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello\r\n"
)


@pytest.fixture
def run():
    def run(*words, given=b""):
        command = [sys.executable, "-m", "prefsvc", "mail", *map(str, words)]
        ran = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60)
        assert ran.stderr == b""
        return ran.returncode, ran.stdout.decode().splitlines()

    return run


@pytest.fixture
def link():
    """A link whose POST is answered by the status that its path names."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self._say(200)

        do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._say(int(self.path.rpartition("/")[2]))

        def _say(self, status):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/u"
        server.shutdown()


def test_a_message_that_is_well_is_said_to_be(run):
    assert run("lint", "-", given=GOOD) == (0, ["ok     -: One click can be offered."])


def test_every_flaw_of_every_message_is_said(run, tmp_path):
    bad = tmp_path / "bad.eml"
    bad.write_bytes(GOOD.replace(b"https", b"http").replace(b"One-Click", b"Two"))
    code, lines = run("lint", bad, tmp_path / "none.eml", "--json")
    found = [json.loads(line) for line in lines]
    assert code == 1
    assert {one["about"] for one in found} == {str(bad), str(tmp_path / "none.eml")}
    assert not any(one["ok"] for one in found)
    assert any("http URI" in one["finding"] for one in found)


def test_a_selftest_says_what_each_would_see(run, link):
    code, lines = run("selftest", f"{link}/200")
    assert code == 1  # it is not https
    assert [line for line in lines if line.startswith("WRONG")] == [
        "WRONG  the link: Mail providers call nothing but https."
    ]
    assert any(line.startswith("ok     Gmail (POST): is unsubscribed") for line in lines)


def test_a_selftest_that_only_looks_asks_for_nothing(run, link):
    _, lines = run("selftest", f"{link}/403", "--look")
    assert not any("POST" in line for line in lines)


def test_a_link_that_refuses_is_wrong_for_everybody_who_asks(run, link):
    _, lines = run("selftest", f"{link}/403")
    assert sum("stays subscribed" in line for line in lines) == 4
