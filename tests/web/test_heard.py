import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from prefsvc import handovers, installation, senders
from prefsvc.cursor import Cursor
from prefsvc.db import queries
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import ACME, Follower, say_start, say_stop
from tests.support.owing import add_sender


async def heard(client, headers, said):
    """Read who has heard of an opt-out, by the sender's name."""
    opt_out_id = said.get("opt_out_id") or said["opt_in_id"]
    reply = await client.get(f"{ACME}/opt-outs/{opt_out_id}", headers=headers)
    assert reply.status == 200, await reply.text()
    return {one.pop("sender"): one for one in (await reply.json())["senders"]}


async def acknowledge(client, headers, cursor):
    reply = await client.post(
        f"{ACME}/feed/acknowledgements", headers=headers, json={"cursor": cursor}
    )
    assert reply.status == 200, await reply.text()


def at(moment):
    return datetime.fromisoformat(moment)


async def test_each_sender_of_its_channel_is_told_and_acknowledges_in_its_own_time(
    client, keys, service, clock
):
    await add_sender(service, "slow")
    said = await say_stop(client, keys, ANN)
    nothing = {"told_at": None, "acknowledged_at": None, "state": "owed"}
    assert await heard(client, keys.operator, said) == {"mailer": nothing, "slow": nothing}
    clock.stop(clock() + timedelta(hours=1))
    follower = await Follower(client, keys.mailer).catch_up()
    told = clock()
    found = await heard(client, keys.operator, said)
    assert (at(found["mailer"]["told_at"]), found["mailer"]["state"]) == (told, "owed")
    clock.move(hours=1)
    await acknowledge(client, keys.mailer, follower.cursor)
    found = await heard(client, keys.operator, said)
    assert at(found["mailer"]["told_at"]) == told
    assert at(found["mailer"]["acknowledged_at"]) == clock()
    assert found["mailer"]["state"] == "acknowledged"
    assert found["slow"] == nothing


async def test_the_first_time_counts_however_often_it_is_told_again(client, keys, clock):
    said = await say_stop(client, keys, ANN)
    follower = await Follower(client, keys.mailer).catch_up()
    await acknowledge(client, keys.mailer, follower.cursor)
    first = await heard(client, keys.mailer, said)
    for _ in range(3):
        clock.move(days=1)
        await say_stop(client, keys, BOB, scope="topic", topic="news")
        await Follower(client, keys.mailer).catch_up()
        await follower.catch_up()
        await acknowledge(client, keys.mailer, follower.cursor)
    assert await heard(client, keys.mailer, said) == first


async def test_within_a_minute_the_furthest_of_each_bucket_counts(keys, service, clock):
    clock.stop(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
    start = Cursor.start(service.installation.feed_epoch, service.book.get("acme").brand_id)
    told = [start.moved(1, 5).moved(2, 1), start.moved(1, 4).moved(3, 7)]

    async def tell(cursor):
        async with service.database.transaction() as tx:
            sender = await senders.find(tx, service.book.get("acme"), "mailer")
            await handovers.told(tx, sender.sender_id, cursor)

    await asyncio.gather(*(tell(one) for one in told * 3))
    [row] = await service.database.pool.fetch("select handed_at, positions from handover")
    assert row["positions"] == list(start.moved(1, 5).moved(2, 1).moved(3, 7).positions)
    assert row["handed_at"] == clock()


@pytest.mark.filterwarnings("ignore:a second connection:RuntimeWarning")
async def test_while_a_sender_acknowledges_others_can_write_of_it(keys, service):
    brand = service.book.get("acme")
    async with service.database.transaction() as tx:
        sender = await senders.find(tx, brand, "mailer")
        await queries.lock_sender(tx.conn, sender_id=sender.sender_id)
        async with asyncio.timeout(5), service.database.transaction() as another:
            start = Cursor.start(service.installation.feed_epoch, brand.brand_id)
            await handovers.told(another, sender.sender_id, start)


async def test_after_the_deadline_who_has_not_acknowledged_is_overdue(client, keys, clock):
    follower = await Follower(client, keys.mailer).catch_up()
    await acknowledge(client, keys.mailer, follower.cursor)
    said = await say_stop(client, keys, ANN)
    await follower.catch_up()
    clock.stop(at(said["deadline_at"]) - timedelta(seconds=1))
    assert (await heard(client, keys.mailer, said))["mailer"]["state"] == "owed"
    clock.stop(at(said["deadline_at"]))
    assert (await heard(client, keys.mailer, said))["mailer"]["state"] == "overdue"
    await acknowledge(client, keys.mailer, follower.cursor)
    assert (await heard(client, keys.mailer, said))["mailer"]["state"] == "acknowledged"


async def test_who_never_acknowledged_has_a_window_for_what_is_long_due(client, keys, service):
    long_ago = (service.now() - timedelta(days=300)).isoformat()
    said = await say_stop(client, keys, ANN, source="letter", received_at=long_ago)
    assert (await heard(client, keys.mailer, said))["mailer"]["state"] == "owed"


async def test_what_was_recorded_in_an_earlier_history_says_so(client, keys, service, clock):
    said = await say_stop(client, keys, ANN)
    follower = await Follower(client, keys.mailer).catch_up()
    await acknowledge(client, keys.mailer, follower.cursor)
    clock.move(days=1)
    async with service.database.transaction() as tx:
        history = await tx.conn.fetchval("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")
    found = (await heard(client, keys.mailer, said))["mailer"]
    assert found == {"told_at": None, "acknowledged_at": None, "state": "earlier_history"}
    clock.move(days=1)
    follower = await Follower(client, keys.mailer).catch_up()
    await acknowledge(client, keys.mailer, follower.cursor)
    found = (await heard(client, keys.mailer, said))["mailer"]
    assert found["state"] == "acknowledged"
    assert at(found["told_at"]) > at(said["deadline_at"]) - timedelta(days=10)


async def test_a_sender_sees_itself_alone(client, keys, service):
    await add_sender(service, "other")
    said = await say_stop(client, keys, ANN)
    assert set(await heard(client, keys.mailer, said)) == {"mailer"}
    assert set(await heard(client, keys.house, said)) == {"mailer", "other"}


async def test_only_the_senders_of_its_channel_have_to_hear(client, keys):
    said = await say_stop(client, keys, ANNS_PHONE, channel="sms")
    assert set(await heard(client, keys.operator, said)) == {"texter"}


async def test_an_opt_in_is_owed_by_nobody(client, keys):
    await say_stop(client, keys, ANN)
    assert await heard(client, keys.operator, await say_start(client, keys, ANN)) == {}
