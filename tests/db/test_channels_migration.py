"""A database of the version before WhatsApp was a channel, with rows in it, becomes one of this."""

import asyncio
import shutil
from datetime import timedelta

import pytest
from msgspec.structs import replace

from prefsvc import app, reviews
from prefsvc.db.migrate import migrate
from prefsvc.db.sql_files import migrations_folder, read_migrations
from prefsvc.intent import decide
from prefsvc.reviews import Answer, Doubt
from prefsvc.suppression import Scope
from prefsvc.verification import verify
from prefsvc.work.reaching import reach_whatsapp
from tests.db.databases import new_database, session
from tests.support.cast import ANN
from tests.support.owing import tally
from tests.support.register import act, record, withdraw

EARLIER = 4
"""The last migration of the version before."""
COPIED = (
    "installation", "brand", "feed_head", "address", "preference_event", "evidence", "suppression",
    "ledger_checkpoint", "feed_tally", "review",
)  # fmt: skip
ASKING = {"whatsapp": "+6421000001", "sms": "+6421000002"}
"""Of numbers in New Zealand a doubt waits for a person."""
BOTH = ("whatsapp", "sms")
BRAND, SHARING = Scope("brand"), Scope("third_party_sharing")
LISTED = """
select a.canonical, s.scope
from suppression as s
join address as a using (bucket, address_key)
where s.channel = $1 and s.active
order by a.canonical, s.scope
"""


def number(last):
    return f"+120255501{last:02}"


async def says(service, last, *, lifted=False, **more):
    """Let somebody say stop to texts, as the version before recorded it; and perhaps START."""
    said = act(service, number(last), channel="sms", **more)
    await record(service, said)
    if lifted:
        await withdraw(service, replace(said, source="sms_reply", idempotency_key=None))


async def said_before(service):
    """Say what people may have said before."""
    on_whatsapp = {"source": "sms_reply", "evidence": {"network": "whatsapp"}}
    await record(service, act(service, ANN, scope=BRAND))
    await says(service, 1, scope=BRAND, country="NZ")
    await says(service, 2, scope=BRAND, lifted=True)
    await says(service, 3, scope=SHARING)
    await says(service, 4)
    await says(service, 5, **on_whatsapp)
    await says(service, 6, **on_whatsapp, lifted=True)
    await says(service, 7, source="sms_reply", evidence={"network": "sms"})
    # Said by text first; that it was said on WhatsApp, too, changed nothing then.
    await says(service, 8)
    await says(service, 8, **on_whatsapp, idempotency_key="twilio:SM8")
    # Taken back, and said again by text only.
    await says(service, 9, **on_whatsapp, lifted=True)
    await says(service, 9)
    # Said on WhatsApp; and then a letter came that falls due earlier, and is what now stands.
    await says(service, 10, **on_whatsapp)
    letter = service.now() - timedelta(days=3)
    await says(service, 10, source="letter", received_at=letter)
    # Too late to count: START had been said already.
    start = act(service, number(11), channel="sms", source="sms_reply")
    await withdraw(service, start)
    before = service.now() - timedelta(days=3)
    await says(service, 11, **on_whatsapp, received_at=before)
    for network, asking in ASKING.items():
        await ask(service, asking, network)


async def ask(service, asking, network):
    """Let somebody write something doubtful, as the version before kept it."""
    recipient = act(service, asking, channel="sms").recipient
    reading = decide("wrong number")
    evidence = {"network": network}
    doubt = Doubt(service.book.get("globex"), recipient, f"twilio:SM{network}", reading, evidence)
    async with service.database.transaction() as tx:
        await reviews.open_review(tx, service.vault, doubt)


REACHED = [(number(1), "brand"), (number(3), "third_party_sharing"), (number(5), "channel"),
           (number(8), "channel"), (number(10), "channel")]  # fmt: skip
STOPPED_BEFORE = sorted(
    [*REACHED, (number(4), "channel"), (number(7), "channel"), (number(9), "channel")]
)


async def copy_to(target, database_url):
    """Copy the register as it is into a database of the version before."""
    async with session(database_url) as source:
        for table in COPIED:
            # What later versions added is not there yet.
            known = await target.fetch(
                "select column_name from information_schema.columns"
                " where table_schema = 'prefsvc' and table_name = $1",
                table,
            )
            columns = [row["column_name"] for row in known]
            rows = await source.fetch(f"select {', '.join(columns)} from prefsvc.{table}")
            await target.copy_records_to_table(
                table, schema_name="prefsvc", records=rows, columns=columns
            )


@pytest.fixture
async def said(service, monkeypatch):
    """Fill a register as the version before did."""
    monkeypatch.setattr("prefsvc.tallies.BLOCK_POSITIONS", 1)
    with monkeypatch.context() as before:
        before.setattr("prefsvc.reach.channels_reaching", lambda kind: (kind,))
        before.setattr("prefsvc.tallies.CHANNELS", ("email", "sms", "post"))
        await said_before(service)
        assert await tally(service)


@pytest.fixture
async def dsn_before(said, database_url, server_url, tmp_path):
    """Make a database of the version before with that in it."""
    for one in read_migrations(migrations_folder())[:EARLIER]:
        shutil.copy(migrations_folder() / one.name, tmp_path)
    async with new_database(server_url) as dsn:
        async with session(dsn) as conn:
            await migrate(conn, tmp_path)
            await copy_to(conn, database_url)
        yield dsn


@pytest.fixture
async def migrated(dsn_before, settings, vault, clock):
    """Open the service on it, as the first start of this version does."""
    async with app.opened(settings, vault, dsn_before, clock=clock) as opened:
        yield opened


async def listed(service, channel):
    return [tuple(row) for row in await service.database.pool.fetch(LISTED, channel)]


async def findings(service):
    async with service.database.read(snapshot=True) as tx:
        installation_id = service.installation.installation_id
        return await verify(tx, service.vault, installation_id, service.book, {})


async def test_nothing_that_was_stopped_is_lost_and_everything_is_verified(migrated):
    found = await findings(migrated)
    assert found.wrong == []
    assert found.rows > len(STOPPED_BEFORE)
    assert await listed(migrated, "sms") == STOPPED_BEFORE
    assert await listed(migrated, "email") == [(ANN, "brand")]
    assert await listed(migrated, "whatsapp") == []


async def test_what_was_tallied_before_is_whole_for_the_new_channel(migrated):
    rows = await migrated.database.pool.fetch(
        "select block, count(*) from feed_tally group by bucket, brand_id, block"
    )
    assert rows
    assert {row["count"] for row in rows} == {4}


async def test_what_was_said_of_the_brand_or_on_whatsapp_is_then_recorded_on_whatsapp(migrated):
    await reach_whatsapp(migrated)
    assert await listed(migrated, "whatsapp") == REACHED
    assert await listed(migrated, "sms") == STOPPED_BEFORE
    assert (await findings(migrated)).wrong == []


async def test_a_doubt_from_before_that_is_decided_stops_where_it_was_written(migrated):
    globex = migrated.book.get("globex")
    async with migrated.database.read() as tx:
        asked = await reviews.page(tx, globex, state="open", size=9)
    for one in asked:
        await migrated.decide(globex, one.review_id, Answer("stop", "Ann"))
    on_whatsapp, texts = [[who for who, _ in await listed(migrated, one)] for one in BOTH]
    assert ASKING["whatsapp"] in on_whatsapp
    assert ASKING["sms"] not in on_whatsapp
    # Globex has no WhatsApp, so what is said there counts for texts as well.
    assert set(ASKING.values()) <= set(texts)


async def test_it_is_recorded_with_its_first_deadline_and_what_proves_it(migrated):
    await reach_whatsapp(migrated)
    rows = await migrated.database.pool.fetch(
        "select e.channel, e.received_at, e.deadline_at, e.deadline ->> 'country', e.source,"
        " p.content - 'said_on' - 'said_as' as content, p.content ->> 'said_as', e.event_id"
        " from preference_event as e join evidence as p using (bucket, event_id)"
        " join address as a using (bucket, address_key) where a.canonical = $1 order by position",
        number(1),
    )
    texts, whatsapp = [tuple(row) for row in rows]
    assert (texts[0], whatsapp[0]) == ("sms", "whatsapp")
    assert texts[1:6] == whatsapp[1:6]
    assert whatsapp[6] == str(texts[7])


async def test_processes_beside_each_other_record_it_once(migrated):
    before = await migrated.database.pool.fetchval("select count(*) from preference_event")
    await asyncio.gather(*[reach_whatsapp(migrated) for _ in range(5)])
    await reach_whatsapp(migrated)
    after = await migrated.database.pool.fetchval("select count(*) from preference_event")
    assert after == before + len(REACHED)
    assert await migrated.database.pool.fetchval("select count(*) from reach_backlog") == 0


async def test_what_is_taken_back_before_it_is_recorded_stays_taken_back(migrated):
    lifted = act(migrated, number(1), channel="whatsapp", scope=BRAND, source="sms_reply")
    await withdraw(migrated, lifted)
    await reach_whatsapp(migrated)
    assert await listed(migrated, "whatsapp") == REACHED[1:]
    assert (await findings(migrated)).wrong == []


async def test_one_number_now_stands_on_each_channel_by_itself(migrated):
    await record(migrated, act(migrated, number(4), channel="whatsapp"))
    await withdraw(migrated, act(migrated, number(4), channel="sms", source="sms_reply"))
    assert (number(4), "channel") in await listed(migrated, "whatsapp")
    assert (number(4), "channel") not in await listed(migrated, "sms")
    assert (await findings(migrated)).wrong == []
