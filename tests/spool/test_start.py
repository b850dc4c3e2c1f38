"""A service that starts while the database is away opens its doors by what is known of it."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from prefsvc import app, brands, links
from prefsvc.errors import BrandRefusal, DatabaseUnreachable
from prefsvc.links import Link
from prefsvc.processes import serving
from prefsvc.spool import known
from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACME, ACMES_NUMBER, ANN, ANNS_PHONE, ORIGIN, TWILIO_TOKEN, acme
from tests.support.lists import problem
from tests.support.waiting import until
from tests.support.wire import laid, socket_of, through

ONE_CLICK = b"List-Unsubscribe=One-Click"
HOOK = "/hooks/twilio/messages"
ONCE = "select count(*) from preference_event"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"spool_probe_seconds": 0.05, "connect_timeout_seconds": 5})


@pytest.fixture
async def wire(database_url):
    """A line to the database, that nobody answers at until it is told to."""
    async with laid(socket_of(database_url)) as wire:
        wire.refuse()
        yield wire


@pytest.fixture
def dsn(wire, database_url):
    return through(wire, database_url)


@pytest.fixture
async def remembered(service, settings):
    """What the loop of a service that is gone has kept."""
    known.keep(settings.spool_folder, _known(service), service.vault)


def _known(service):
    return known.Known(service.installation, service.book, service.book_version)


@pytest.fixture
def late(settings, vault, dsn, clock, aiohttp_client):
    """Start another service, and open its doors."""

    @asynccontextmanager
    async def started(dsn=dsn):
        async with app.opened(settings, vault, dsn, clock=clock, is_patient=True) as late:
            client = await aiohttp_client(app.build(late))
            yield late, client
            await client.close()

    return started


async def clicks(client, late, address=ANN):
    token = links.seal(late.book.keyring.key("acme"), Link("email", address))
    return await client.post(f"/u/{token}", data=ONE_CLICK)


async def texts(client, body="STOP"):
    form = sms(body, from_=ANNS_PHONE, to=ACMES_NUMBER, MessageSid="SM" + "1" * 32)
    return await client.post(HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN))


async def stands(client):
    document = await (await client.get("/readyz")).json()
    return document["status"], document["spool"]["waiting"]


async def test_clicks_and_texts_are_kept_and_recorded_when_it_is_there(
    service, remembered, wire, late, keys
):
    with capture_logs() as logs:
        await _is_kept_and_recorded(service, wire, late, keys)
    # Nor was it asked who leads before it was migrated.
    assert {"started_without_database", "database_back"} <= {one["event"] for one in logs}
    assert "lease_fault" not in {one["event"] for one in logs}


async def _is_kept_and_recorded(service, wire, late, keys):
    async with late() as (started, client):
        assert (await clicks(client, started)).status == 200
        assert (await texts(client)).status == 200
        assert await stands(client) == ("spooling", 2)
        assert await service.database.pool.fetchval(ONCE) == 0
        await wire.listen()

        async def is_ready():
            return await stands(client) == ("ready", 0)

        await until(is_ready)
        rows = await service.database.pool.fetch("select source from preference_event order by 1")
        assert [row["source"] for row in rows] == ["one_click", "sms_reply"]
        reply = await client.get("/v1/brands/acme/suppressions", headers=keys.mailer)
        lines = [json.loads(line) for line in (await reply.text()).splitlines()]
        assert ANN in {line.get("address") for line in lines}
        # Its loops of all begin, too: who wrote is signed for.
        checkpoints = "select exists (select from ledger_checkpoint)"
        await until(lambda: service.database.pool.fetchval(checkpoints))


async def test_until_it_is_migrated_nothing_uses_it(  # noqa: PLR0917 - fixtures
    service, remembered, wire, late, keys, monkeypatch
):
    reached, may_go_on, migrate = asyncio.Event(), asyncio.Event(), app.migrate

    async def slowly(conn):
        reached.set()
        await may_go_on.wait()
        return await migrate(conn)

    monkeypatch.setattr(app, "migrate", slowly)
    async with late() as (started, client):
        await wire.listen()
        async with asyncio.timeout(20):
            await reached.wait()
        assert (await clicks(client, started)).status == 200
        lists = await client.get("/v1/brands/acme/suppressions", headers=keys.mailer)
        assert await problem(lists) == (503, "database_away")
        assert not started.there.is_set()
        assert await service.database.pool.fetchval(ONCE) == 0
        may_go_on.set()
        await until(lambda: service.database.pool.fetchval(ONCE))


async def test_a_database_that_takes_no_writes_is_waited_for(
    service, remembered, read_only, database_url, late
):
    async with late(database_url) as (started, client):
        assert (await clicks(client, started)).status == 200
        assert await stands(client) == ("spooling", 1)
        await read_only("off")
        await until(lambda: service.database.pool.fetchval(ONCE))


async def test_the_very_first_start_needs_the_database(settings, vault, dsn):
    with pytest.raises(DatabaseUnreachable):
        async with app.opened(settings, vault, dsn, is_patient=True):
            pass


@pytest.mark.parametrize("url", ["postgresql://[", "prefsvc"])
async def test_what_is_no_url_is_not_waited_for(remembered, settings, vault, url):
    with pytest.raises(DatabaseUnreachable):
        async with app.opened(settings, vault, url, is_patient=True):
            pass


async def test_a_command_does_not_go_on_without_it(remembered, settings, vault, dsn):
    with pytest.raises(DatabaseUnreachable):
        async with app.opened(settings, vault, dsn):
            pass


async def test_what_is_known_of_it_with_other_secrets_is_not_believed(
    service, remembered, settings, vault, dsn
):
    other = replace(vault, pepper=bytes(32))
    with pytest.raises(DatabaseUnreachable):
        async with app.opened(settings, other, dsn, is_patient=True):
            pass


async def test_another_installations_database_is_not_taken_and_nothing_is_lost(
    service, settings, wire, late, keys
):
    other = replace(service.installation, installation_id=uuid4())
    known.keep(settings.spool_folder, replace(_known(service), installation=other), service.vault)
    with capture_logs() as logs:
        async with late() as (started, client):
            await wire.listen()
            await until(lambda: [one for one in logs if one["event"] == "database_not_taken"])
            assert (await clicks(client, started)).status == 200
            assert await stands(client) == ("spooling", 1)
            lists = await client.get("/v1/brands/acme/suppressions", headers=keys.mailer)
            assert lists.status == 503
    assert await service.database.pool.fetchval(ONCE) == 0
    [why] = {one["why"] for one in logs if one["event"] == "database_not_taken"}
    assert "PREFSVC_DATABASE_URL" in why


async def test_brand_files_are_applied_when_it_is_there(  # noqa: PLR0917 - fixtures
    service, remembered, settings, wire, late, tmp_path
):
    renamed = ACME.replace('name = "Acme"', 'name = "Acme and Sons"')
    assert renamed != ACME
    (tmp_path / "acme.toml").write_text(renamed)
    async with late() as (started, _):
        started.settings = settings.model_copy(update={"brands_dir": tmp_path})
        assert not await serving.apply_brands(started, is_embedded=False)
        assert started.book.get("acme").brand.name == "Acme"
        await wire.listen()
        await until(lambda: started.book.get("acme").brand.name == "Acme and Sons")


async def test_a_wrong_brand_file_is_said_at_once(remembered, settings, late, tmp_path):
    (tmp_path / "acme.toml").write_text("name = 1")
    async with late() as (started, _):
        started.settings = settings.model_copy(update={"brands_dir": tmp_path})
        with pytest.raises(BrandRefusal):
            await serving.apply_brands(started, is_embedded=False)


async def test_what_is_known_follows_the_brands(service, settings, vault, aiohttp_client):
    await aiohttp_client(app.build(service))

    def kept():
        return known.kept(settings.spool_folder, vault)

    await until(kept)
    assert kept().book.get("acme").brand == acme()
    assert kept().installation == service.installation
    async with service.database.transaction() as tx:
        await brands.retire(tx, "globex")
    await until(lambda: kept().book.get("globex").retired_at)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"brands": 1}'])
def test_a_damaged_file_is_as_none(settings, vault, content):
    settings.spool_folder.mkdir()
    (settings.spool_folder / known.FILE).write_bytes(content)
    assert known.kept(settings.spool_folder, vault) is None
