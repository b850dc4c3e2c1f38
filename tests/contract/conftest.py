"""The running application over real HTTP, on a port, in a thread with an event loop of its own."""

import asyncio
import json
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml
from aiohttp import web

from prefsvc import api_keys, app, brands, senders
from prefsvc.settings import Settings
from prefsvc.vault import open_vault
from tests.mail_events.providers import SECRETS, acme_with_sources
from tests.sms.twilio_client import signed, sms
from tests.support import scratch_database
from tests.support.cast import (
    ACMES_NUMBER,
    ANN,
    ANNS_PHONE,
    BOB,
    ORIGIN,
    TELNYX_PUBLIC_KEY,
    TWILIO_TOKEN,
    globex,
)

CAROL = "carol@example.org"
DAVE = "dave@example.org"
NOWHERE = "http://127.0.0.1:9/hook"
"""Where nothing listens, on a network that webhooks may reach here."""
CONTRACT = Path(__file__).parents[2] / "openapi.yaml"


@dataclass(frozen=True)
class Start:
    """Where it runs, who may call, and the methods and paths that its router knows."""

    url: str
    keys: dict[str, str]
    routes: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Running:
    """A service that runs, and real values of what its calls name."""

    start: Start
    tokens: tuple[str, ...]
    tickets: tuple[str, ...]
    cursors: tuple[str, ...]
    opt_out_ids: tuple[str, ...]
    endpoint_ids: tuple[str, ...]
    delivery_ids: tuple[str, ...]
    mailing: str
    case_id: str
    review_id: str


@pytest.fixture(scope="session")
def document():
    return yaml.safe_load(CONTRACT.read_text("utf-8"))


@pytest.fixture(scope="session")
def running(server_url, tmp_path_factory):
    # Not the other tests' database: theirs is emptied after each of them.
    with scratch_database.database(server_url, f"prefsvc_contract_{os.getpid()}") as dsn:
        settings = Settings(
            secrets_dir=tmp_path_factory.mktemp("secrets"),
            spool_dir=tmp_path_factory.mktemp("spool"),
            public_url=ORIGIN,
            twilio_auth_tokens=TWILIO_TOKEN,
            telnyx_public_keys=TELNYX_PUBLIC_KEY,
            mail_event_secrets=SECRETS,
            outward_networks_allowed="127.0.0.0/8",
            # It lives as long as this process does, and would log its attempts into others' tests.
            delivery_schedule_seconds="86400",
        )
        with _serving(settings, dsn) as start:
            yield _acquainted(start)


@contextmanager
def _serving(settings: Settings, dsn: str) -> Iterator[Start]:
    ready: Future[Start] = Future()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        try:
            loop.run_until_complete(_serve(settings, dsn, ready, stop))
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            if not ready.done():
                ready.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="prefsvc")
    thread.start()
    try:
        yield ready.result(timeout=60)
        loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join(timeout=60)


async def _serve(settings: Settings, dsn: str, ready: Future[Start], stop: asyncio.Event) -> None:
    vault = open_vault(settings, make_missing=True)
    async with app.opened(settings, vault, dsn) as service:
        keys = await _peopled(service)
        application = app.build(service)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        routes = frozenset(
            (route.method, route.resource.canonical) for route in application.router.routes()
        )
        ready.set_result(Start(f"http://127.0.0.1:{runner.addresses[0][1]}", keys, routes))
        await stop.wait()
        await runner.cleanup()


async def _peopled(service) -> dict[str, str]:
    async with service.database.transaction() as tx:
        await brands.apply(tx, [acme_with_sources(), globex()])
    await service.refresh_book()
    async with service.database.transaction() as tx:
        brand, other = service.book.get("acme"), service.book.get("globex")
        mailer = await senders.add(tx, brand, "mailer", "email")
        others = await senders.add(tx, other, "mailer", "email")
        return {
            "mailer": await api_keys.create(tx, label="test", brand=brand, sender=mailer),
            "globex": await api_keys.create(tx, label="test", brand=other, sender=others),
            "house": await api_keys.create(tx, label="test", brand=None, sender=None),
        }


def _acquainted(start: Start) -> Running:
    """Learn real tokens, tickets, cursors and ids, as a caller would."""
    house = {"Authorization": f"Bearer {start.keys['house']}"}

    def called(method: str, path: str, **what):
        url = f"{start.url}/v1/brands/{path}"
        reply = requests.request(method, url, headers=house, timeout=30, **what)
        reply.raise_for_status()
        return reply.json()

    said = (
        ("acme", {"channel": "email", "address": BOB, "scope": "topic", "topic": "news"}),
        ("acme", {"channel": "email", "address": CAROL}),
        ("acme", {"channel": "sms", "address": ANNS_PHONE}),
        ("globex", {"channel": "email", "address": ANN}),
    )
    ids = [called("POST", f"{brand}/opt-outs", json=body)["opt_out_id"] for brand, body in said]
    wanted = ({"address": ANN, "topic": "news"}, {"address": ANN, "form": "short"})
    tokens = [called("POST", "acme/links", json=body)["token"] for body in wanted]
    pages = [requests.post(f"{start.url}/u/{token}", timeout=30).text for token in tokens]
    tickets = [re.search(r'name="ticket" value="([^"]+)"', page)[1] for page in pages]
    read = (("acme", "1"), ("acme", "1000"), ("globex", "1000"))
    cursors = [
        called("GET", f"{brand}/feed", params={"channel": "email", "limit": limit})["cursor"]
        for brand, limit in read
    ]
    where = {"url": NOWHERE, "events": ["alarm"]}
    endpoints = [called("POST", "acme/endpoints", json=where)["endpoint_id"] for _ in range(2)]
    # Before anything is tried: later on, some of them are removed.
    deliveries = [called("POST", f"acme/endpoints/{one}/test")["delivery_id"] for one in endpoints]
    return Running(
        start,
        tuple(tokens),
        tuple(tickets),
        tuple(cursors),
        tuple(ids),
        tuple(endpoints),
        tuple(deliveries),
        *_sent(start, cursors[1]),
        _asked(start, house),
    )


def _asked(start: Start, house: dict[str, str]) -> str:
    """Send a doubtful text message; return its review."""
    hook, form = "/hooks/twilio/messages", sms("wrong number", from_=ANNS_PHONE, to=ACMES_NUMBER)
    headers = signed(ORIGIN + hook, form, TWILIO_TOKEN)
    requests.post(start.url + hook, data=form, headers=headers, timeout=30).raise_for_status()
    reply = requests.get(f"{start.url}/v1/brands/acme/reviews", headers=house, timeout=30)
    [review] = reply.json()["reviews"]
    return review["review_id"]


def _sent(start: Start, cursor: str) -> tuple[str, str]:
    """Register a mailing and report a message of it that was sent too late; return its case."""
    acme, mailing = f"{start.url}/v1/brands/acme", "spring-2020"
    mailer = {"Authorization": f"Bearer {start.keys['mailer']}"}
    house = {"Authorization": f"Bearer {start.keys['house']}"}
    said = {"channel": "email", "address": DAVE, "received_at": "2020-01-01T00:00:00Z"}
    requests.post(f"{acme}/opt-outs", headers=house, json=said, timeout=30).raise_for_status()
    made = {"mailing": mailing, "cursor": cursor}
    requests.post(f"{acme}/mailings", headers=mailer, json=made, timeout=30).raise_for_status()
    line = {"address": DAVE, "sent_at": "2020-03-01T00:00:00Z", "mailing": mailing}
    reply = requests.post(f"{acme}/sends", headers=mailer, data=json.dumps(line), timeout=30)
    reply.raise_for_status()
    return mailing, json.loads(reply.text.splitlines()[-1])["cases"][0]
