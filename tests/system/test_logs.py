import hashlib
import json
import re
import socket
import sys
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest
import yaml

from prefsvc.errors import InvalidToken
from tests.sms import telnyx_client as telnyx
from tests.sms.twilio_client import reassigned, signed, sms
from tests.sms.twilio_client import status as callback
from tests.support.running_service import (
    LIMIT_SECONDS,
    Running,
    execute,
    open_folder,
    printed,
    run,
    serving,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs as Linux services do")

NAME = "canary7f3a"
EMAIL = f"{NAME}@example.org"
PHONE = "+12025550177"
BRAND = "petite-studio"
ORIGIN = "https://stop.example.com"
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"
TELNYX_PUBLIC_KEY = telnyx.public(telnyx.KEY)
OPENAPI = Path(__file__).parents[2] / "openapi.yaml"
ROUTES = yaml.safe_load(OPENAPI.read_text("utf-8"))["paths"]


@dataclass(frozen=True)
class Canaries:
    """A service to shout at, what it must not repeat, and the ways into it."""

    service: Running
    key: str
    sender_key: str
    sealed: str
    short: str
    number: str

    @property
    def words(self):
        secrets = [one.split("_", 2)[2] for one in (self.key, self.sender_key)]
        # A damaged token is as telling as a whole one.
        tokens = [self.sealed, self.short, self.sealed[4:-4]]
        return [NAME, PHONE, PHONE[2:], quote(EMAIL), TWILIO_TOKEN, *secrets, *tokens]

    def said_in(self, text):
        return [word for word in self.words if word.lower() in text.lower()]

    def ask(self, method, path, *, headers=(), body=None):
        """Send one request; return the status and body, of which an error repeats nothing."""
        connection = HTTPConnection("127.0.0.1", self.service.port, timeout=LIMIT_SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            reply = connection.getresponse()
            text = reply.read().decode("utf-8", "replace")
        except (HTTPException, ConnectionError):
            return 0, ""  # it hung up, as it may on what is not HTTP
        finally:
            connection.close()
        if reply.status >= 400:
            assert not self.said_in(text), (method, reply.status)
        return reply.status, text


@pytest.fixture(scope="module")
def folder():
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def canaries(folder):
    settings = {
        "log_level": "debug",
        "public_url": ORIGIN,
        "twilio_auth_tokens": TWILIO_TOKEN,
        "telnyx_public_keys": TELNYX_PUBLIC_KEY,
        "port": free_port(),
        "checkpoint_seconds": 0.1,
    }
    with serving(folder, **settings) as started:
        started.event("serving")
        here = f"http://127.0.0.1:{settings['port']}"
        service = Here(started.process, folder, started.started_at, here)
        until(service.is_ready)

        def command(*words):
            ran = run(folder, *words, public_url=ORIGIN)
            assert (ran.returncode, ran.stderr) == (0, "")
            return ran.stdout.split()[-1]

        brand = yaml.safe_load(run(folder, "brands", "show", BRAND).stdout)
        yield Canaries(
            service,
            key=command("keys", "create", "--brand", BRAND),
            sender_key=command("senders", "add", BRAND, "mailer", "--channel", "email"),
            sealed=command("links", "mint", BRAND, EMAIL).rpartition("/")[2],
            short=command("links", "mint", BRAND, EMAIL, "--short").rpartition("/")[2],
            number=brand["numbers"][0],
        )


@dataclass(frozen=True, slots=True)
class Here(Running):
    """A service whose links point elsewhere."""

    here: str

    @property
    def origin(self):
        return self.here


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def silent(canaries, folder):
    """After the test, nothing that the service wrote or counts has a canary in it."""
    yield
    written = [("out", canaries.service.out), ("err", canaries.service.err)]
    written.append(("metrics", canaries.service.ask("/metrics").body.decode()))
    logs = [file for file in (folder / "data" / "log").iterdir() if file.is_file()]
    assert [file.name for file in logs] == ["postgresql.log"]
    written += [(file.name, file.read_text("utf-8", "replace")) for file in logs]
    for name, text in written:
        assert text
        lines = [line for line in text.splitlines() if canaries.said_in(line)]
        assert not lines, name
    assert all(line.startswith("{") for line in canaries.service.err.splitlines())


def bodies():
    """Bodies of every kind, each with the canaries."""
    about = {"channel": "email", "address": EMAIL}
    person = about | {"evidence": {"words": f"{EMAIL} {PHONE}"}, "source": "phone"}
    for document in (
        about,
        person,
        {"channel": "sms", "address": PHONE},
        {"address": EMAIL},
        about | {NAME: EMAIL},
        about | {"topic": NAME},
        about | {"scope": EMAIL},
        about | {"address": f"{EMAIL}\0"},
        about | {"address": [EMAIL]},
        {"addresses": [EMAIL, PHONE], "channel": "email"},
        {"addresses": EMAIL},
        {"cursor": EMAIL},
        {"note": EMAIL},
        {"address": EMAIL, "sent_at": "2026-01-01T00:00:00Z"},
        [EMAIL],
        EMAIL,
    ):
        yield "application/json", json.dumps(document).encode()
    yield "application/json", f'{{"address": "{EMAIL}"'.encode()
    yield "application/json", f'{{"address": "{EMAIL}\xff"}}'.encode("latin-1")
    yield "application/x-ndjson", f'{{"address": "{EMAIL}"}}\n{{"{EMAIL}\n'.encode()
    sent = f'{{"address": "{EMAIL}", "sent_at": "2026-01-01T00:00:00Z", "mailing": "{EMAIL}"}}'
    yield "application/x-ndjson", sent.encode()
    yield "application/x-www-form-urlencoded", urlencode({"From": PHONE, "Body": EMAIL}).encode()
    yield "multipart/form-data; boundary=x", f"--x\r\n{EMAIL}\r\n\r\n{PHONE}".encode()
    yield f"text/{NAME}; charset={NAME}", EMAIL.encode()


def paths(canaries, route):
    """Paths of a route, with the real thing in its places and with a canary."""
    real = {"brand": BRAND, "token": canaries.sealed, "sender": "mailer"}
    names = re.findall(r"{(\w+)}", route)
    odd = dict.fromkeys(names, quote(EMAIL))
    for filled in (odd | real, odd, odd | {"brand": BRAND, "token": canaries.short}):
        path = route.format(**{name: filled[name] for name in names})
        yield path
        yield f"{path}?{urlencode({'address': EMAIL, 'after': EMAIL, 'channel': PHONE, NAME: 1})}"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_no_route_writes_what_it_was_told(silent, canaries, route, method):
    headers = {"X-Request-Id": EMAIL, "Cookie": f"a={EMAIL}", "User-Agent": PHONE}
    headers |= {"Referer": f"{ORIGIN}/u/{canaries.sealed}", "Idempotency-Key": f"{EMAIL} {method}"}
    for path in dict.fromkeys(paths(canaries, route)):
        for key in (canaries.key, canaries.sender_key, f"{canaries.key}x", EMAIL):
            headers["Authorization"] = f"Bearer {key}"
            assert 0 < canaries.ask(method, path, headers=headers)[0] < 500
    if method != "POST":
        return
    headers["Authorization"] = f"Bearer {canaries.key}"
    [path, *_] = paths(canaries, route)
    for content_type, body in bodies():
        del headers["Idempotency-Key"]
        headers |= {"Content-Type": content_type, "Idempotency-Key": f"{len(body)} {route}"}
        assert 0 < canaries.ask(method, path, headers=headers, body=body)[0] < 500


@pytest.mark.parametrize("form", ["sealed", "short"])
def test_a_press_and_its_undo_are_not_written(silent, canaries, form):
    path = f"/u/{getattr(canaries, form)}"
    assert canaries.ask("GET", path)[0] == 200
    one_click = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        canaries.ask("POST", path, headers=one_click, body="List-Unsubscribe=One-Click")[0] == 200
    )
    execute(canaries.service.folder, "update suppression set active = false")
    status, page = canaries.ask("POST", path, headers=one_click, body="scope=brand&page=1")
    assert status == 200
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    undo = urlencode(fields | {"ticket": fields.get("ticket", EMAIL)})
    assert canaries.ask("POST", f"{path}/undo", headers=one_click, body=undo)[0] < 500
    damaged = canaries.sealed[:-1] + ("A" if canaries.sealed[-1] != "A" else "B")
    status, refusal = canaries.ask("POST", f"/u/{damaged}", headers=one_click, body="x")
    assert status == 404
    assert InvalidToken.code in refusal or "<html" in refusal


def test_a_text_message_is_not_written(silent, canaries):
    path = "/hooks/twilio/messages"
    form = sms("STOP", from_=PHONE, to=canaries.number)
    for headers, status in ((signed(ORIGIN + path, form, TWILIO_TOKEN), 200), ({}, 403)):
        headers |= {"Content-Type": "application/x-www-form-urlencoded"}
        for body in (urlencode(form), urlencode(form | {"Body": EMAIL})):
            assert canaries.ask("POST", path, headers=headers, body=body)[0] in (status, 403)


@pytest.mark.parametrize(("to", "status"), [(PHONE, 204), (NAME, 422)])
def test_a_status_callback_is_not_written(silent, canaries, to, status):
    path = "/hooks/twilio/statuses"
    form = callback("21610", from_=canaries.number, to=to)
    headers = signed(ORIGIN + path, form, TWILIO_TOKEN)
    headers |= {"Content-Type": "application/x-www-form-urlencoded"}
    assert canaries.ask("POST", path, headers=headers, body=urlencode(form))[0] == status


@pytest.mark.parametrize(("to", "status"), [(PHONE, 204), (NAME, 422), (None, 400)])
def test_an_event_of_twilio_is_not_written(silent, canaries, to, status):
    event = reassigned(from_=canaries.number, to_number=to, consent_operation=EMAIL)
    body = json.dumps([event])
    path = f"/hooks/twilio/events?bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    headers = signed(ORIGIN + path, {}, TWILIO_TOKEN) | {"Content-Type": "application/json"}
    assert canaries.ask("POST", path, headers=headers, body=body)[0] == status


@pytest.mark.parametrize("words", ["STOP", "START", EMAIL])
@pytest.mark.parametrize("timestamp", [None, "0", PHONE[1:]])
def test_an_event_of_telnyx_is_not_written(silent, canaries, words, timestamp):
    payload = telnyx.message(words, from_=PHONE, to=canaries.number)
    body = telnyx.event("message.received", payload)
    headers = telnyx.signed(body, timestamp=timestamp)
    for sent in (headers, headers | {"telnyx-timestamp": PHONE}):
        status = canaries.ask("POST", telnyx.HOOK, headers=sent, body=body)[0]
        assert status in {204, 403}


def test_lists_that_carry_the_address_are_not_written(silent, canaries):
    headers = {"Authorization": f"Bearer {canaries.key}"}
    body = json.dumps({"channel": "email", "address": EMAIL}).encode()
    room = f"/v1/brands/{BRAND}"
    assert canaries.ask("POST", f"{room}/opt-outs", headers=headers, body=body)[0] in (200, 201)
    for path in ("suppressions", "suppressions?format=csv", "feed"):
        joint = "&" if "?" in path else "?"
        status, text = canaries.ask("GET", f"{room}/{path}{joint}channel=email", headers=headers)
        assert status == 200
        assert EMAIL in text
    lines = f'{{"address": "{EMAIL}"}}\n{{"address": ""}}\n{EMAIL}\n'.encode()
    for form, status in (("links", 200), ("headers", 200)):
        given = lines if form == "links" else json.dumps({"address": EMAIL}).encode()
        assert canaries.ask("POST", f"{room}/{form}", headers=headers, body=given)[0] == status


NOT_HTTP = {
    "no request": f"{EMAIL}\r\n\r\n",
    "no version": f"GET /{EMAIL}\r\n\r\n",
    "odd version": f"GET /u/{EMAIL} HTTP/9.9\r\n\r\n",
    "odd method": f"{NAME} /u/{EMAIL} HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd target": f"GET http://{EMAIL}:port/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no header": f"GET / HTTP/1.1\r\n{EMAIL}\r\n\r\n",
    "odd header": f"GET / HTTP/1.1\r\n{NAME} {PHONE}: x\r\n\r\n",
    "NUL in header": f"GET /u/x HTTP/1.1\r\nHost: x\r\nX: {EMAIL}\0\r\n\r\n",
    "long header": f"GET /u/x HTTP/1.1\r\nHost: x\r\nX: {EMAIL * 600}\r\n\r\n",
    "long target": f"GET /u/{EMAIL * 600} HTTP/1.1\r\nHost: x\r\n\r\n",
    "odd length": f"POST /u/x HTTP/1.1\r\nHost: x\r\nContent-Length: {NAME}\r\n\r\n{EMAIL}",
    "odd chunk": f"POST /u/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{EMAIL}\r\n",
    "no gzip": (
        "POST /u/x HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(EMAIL)}\r\n\r\n{EMAIL}"
    ),
    "odd hope": f"POST /u/x HTTP/1.1\r\nExpect: {EMAIL}\r\nContent-Length: 1\r\n\r\nx",
}


@pytest.mark.parametrize("raw", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_neither_written_nor_repeated(silent, canaries, raw):
    with socket.create_connection(("127.0.0.1", canaries.service.port), LIMIT_SECONDS) as line:
        line.sendall(raw.encode("latin-1"))
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: received(line), b"")).decode("latin-1")
    assert not canaries.said_in(answer)
    assert re.match(r"HTTP/[01]\.\d 4\d\d |$", answer)


def received(line):
    try:
        return line.recv(1 << 16)
    except ConnectionResetError:
        return b""


def test_a_fault_is_loud_and_says_nothing_of_the_person(silent, canaries, folder):
    headers = {"Authorization": f"Bearer {canaries.key}"}
    body = json.dumps({"channel": "email", "address": f"late.{EMAIL}"}).encode()
    opt_outs = f"/v1/brands/{BRAND}/opt-outs"
    execute(folder, "alter table suppression rename to gone")
    try:
        status, text = canaries.ask("POST", opt_outs, headers=headers, body=body)
        pressed, _ = canaries.ask("POST", f"/u/{canaries.sealed}", body="x")
    finally:
        execute(folder, "alter table gone rename to suppression")
    assert (status, pressed) == (500, 500)
    assert json.loads(text)["code"] == "fault"
    fault = canaries.service.event("fault")
    assert fault["kind"] == "UndefinedTableError"
    assert fault["where"]
    assert canaries.ask("POST", opt_outs, headers=headers, body=body)[0] == 201


def test_a_broken_rule_of_the_database_is_a_fault_without_the_row(silent, canaries, folder):
    headers = {"Authorization": f"Bearer {canaries.key}"}
    body = json.dumps({"channel": "email", "address": f"later.{EMAIL}"}).encode()
    execute(
        folder, "alter table address add constraint none_such check (canonical is null) not valid"
    )
    try:
        status, text = canaries.ask(
            "POST", f"/v1/brands/{BRAND}/opt-outs", headers=headers, body=body
        )
    finally:
        execute(folder, "alter table address drop constraint none_such")
    assert (status, json.loads(text)["code"]) == (500, "fault")
    assert canaries.service.event("fault")["kind"] == "CheckViolationError"


def test_the_first_key_is_printed_once_and_never_logged(canaries):
    key = printed(canaries.service.out, "first API key")
    assert key not in canaries.service.err
    assert urlsplit(printed(canaries.service.out, "unsubscribe")).path.split("/")[2] not in (
        canaries.service.err
    )
