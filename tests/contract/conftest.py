"""The running application over real HTTP, on a port, in a thread with an event loop of its own."""

import asyncio
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
from tests.support import scratch_database
from tests.support.cast import ANN, ANNS_PHONE, BOB, ORIGIN, TWILIO_TOKEN, acme, globex

CONTRACT = Path(__file__).parents[2] / "openapi.yaml"


@dataclass(frozen=True)
class Running:
    """Where it runs, and real values of what its calls name."""

    url: str
    keys: dict[str, str]
    tokens: tuple[str, ...]
    tickets: tuple[str, ...]
    cursors: tuple[str, ...]
    opt_out_ids: tuple[str, ...]


@pytest.fixture(scope="session")
def document():
    return yaml.safe_load(CONTRACT.read_text("utf-8"))


@pytest.fixture(scope="session")
def running(server_url, tmp_path_factory):
    # Not the other tests' database: theirs is emptied after each of them.
    with scratch_database.database(server_url, f"prefsvc_contract_{os.getpid()}") as dsn:
        settings = Settings(
            secrets_dir=tmp_path_factory.mktemp("secrets"), public_url=ORIGIN, twilio_auth_tokens=TWILIO_TOKEN
        )
        with _serving(settings, dsn) as (url, keys):
            yield _acquainted(url, keys)


@contextmanager
def _serving(settings: Settings, dsn: str) -> Iterator[tuple[str, dict[str, str]]]:
    ready: Future[tuple[str, dict[str, str]]] = Future()
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


async def _serve(settings: Settings, dsn: str, ready: Future, stop: asyncio.Event) -> None:
    vault = open_vault(settings, make_missing=True)
    async with app.opened(settings, vault, dsn) as service:
        keys = await _peopled(service)
        runner = web.AppRunner(app.build(service), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        ready.set_result((f"http://127.0.0.1:{port}", keys))
        await stop.wait()
        await runner.cleanup()


async def _peopled(service) -> dict[str, str]:
    async with service.database.transaction() as tx:
        await brands.apply(tx, [acme(), globex()])
    await service.refresh_book()
    async with service.database.transaction() as tx:
        brand, other = service.book.get("acme"), service.book.get("globex")
        mailer = await senders.add(tx, brand, "mailer", "email")
        return {
            "mailer": await api_keys.create(tx, label="test", brand=brand, sender=mailer),
            "globex": await api_keys.create(tx, label="test", brand=other, sender=None),
            "house": await api_keys.create(tx, label="test", brand=None, sender=None),
        }


def _acquainted(url: str, keys: dict[str, str]) -> Running:
    """Learn real tokens, tickets, cursors and ids, as a caller would."""
    acme_url, house = f"{url}/v1/brands/acme", {"Authorization": f"Bearer {keys['house']}"}
    opt_out_ids = [
        requests.post(f"{url}/v1/brands/{brand}/opt-outs", headers=house, json=body, timeout=30).json()["opt_out_id"]
        for brand, body in (
            ("acme", {"channel": "email", "address": BOB, "scope": "topic", "topic": "news"}),
            ("acme", {"channel": "sms", "address": ANNS_PHONE}),
            ("acme", {"channel": "email", "address": "carol@example.org"}),
            ("globex", {"channel": "email", "address": ANN}),
        )
    ]
    tokens = [
        requests.post(f"{acme_url}/links", headers=house, json=body, timeout=30).json()["token"]
        for body in ({"address": ANN, "topic": "news"}, {"address": ANN, "form": "short"})
    ]
    pages = [requests.post(f"{url}/u/{token}", timeout=30).text for token in tokens]
    first, last, other = (
        requests.get(f"{url}/v1/brands/{brand}/feed", headers=house, params=params, timeout=30).json()["cursor"]
        for brand, params in (
            ("acme", {"channel": "email", "limit": "1"}),
            ("acme", {"channel": "email"}),
            ("globex", {"channel": "email"}),
        )
    )
    tickets = [re.search(r'name="ticket" value="([^"]+)"', page)[1] for page in pages]
    return Running(url, keys, tuple(tokens), tuple(tickets), (first, last, other), tuple(opt_out_ids))
