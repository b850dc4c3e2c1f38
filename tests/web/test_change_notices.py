"""Change notices over HTTP: what a sender's webhook hears when somebody says stop."""

import asyncio
from ipaddress import ip_network

import pytest

from prefsvc import app, metrics
from prefsvc.cursor import Cursor
from prefsvc.installation import begin_epoch
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.endpoints import add_endpoint, log_of
from tests.support.lists import say_start, say_stop, sha256
from tests.support.receiver import receiving
from tests.support.register import act, address_in, record

QUICK_SECONDS = 1
BODY_BYTES_MAX = 20_000


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"outward_networks_allowed": (ip_network("127.0.0.0/8"),), "notice_seconds": 0.2}
    )


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def listen(client, headers, receiver, **more):
    return await add_endpoint(client, headers, url=receiver.url, events=["suppression"], **more)


async def heard(receiver, count):
    """Return the data of the first notices that arrive."""
    arrived = [one.document for one in await receiver.wait_for(count)]
    assert {one["type"] for one in arrived} == {"suppression.changed"}
    return [one["data"] for one in arrived]


async def test_a_sender_is_told_of_each_change_within_a_second(client, keys, receiver):
    await listen(client, keys.mailer, receiver)
    said = await say_stop(client, keys, ANN, scope="topic", topic="news")
    async with asyncio.timeout(QUICK_SECONDS):
        [data] = await heard(receiver, 1)
    [change] = data.pop("changes")
    [span] = data.pop("covers")
    Cursor.parse(data.pop("cursor"))
    assert data == {"brand": "acme", "sender": "mailer", "channel": "email"}
    assert change == {
        "change": "added",
        "bucket": span["bucket"],
        "position": span["last"],
        "scope": "topic",
        "topic": "news",
        "reason": "opt_out",
        "deadline_at": said["deadline_at"],
        "opt_out_id": said["opt_out_id"],
    }
    await say_start(client, keys, ANN, scope="topic", topic="news")
    [_, data] = await heard(receiver, 2)
    assert [one["change"] for one in data["changes"]] == ["lifted"]


async def test_no_address_is_told_unless_it_was_asked_for(client, keys, receiver):
    await listen(client, keys.mailer, receiver)
    await say_stop(client, keys, ANN)
    await heard(receiver, 1)
    [arrived] = receiver.arrived
    assert ANN not in arrived.body
    assert sha256(ANN) not in arrived.body


async def test_whoever_asked_for_addresses_has_them_and_the_queue_has_none(
    client, keys, receiver, service
):
    await listen(client, keys.mailer, receiver, with_addresses=True)
    await say_stop(client, keys, ANN)
    [data] = await heard(receiver, 1)
    [change] = data["changes"]
    assert (change["address"], change["sha256"]) == (ANN, sha256(ANN))
    assert ANN not in str(await service.database.pool.fetch("select data from delivery"))


async def test_an_address_that_was_erased_meanwhile_is_not_told(client, keys, receiver, service):
    made = await listen(client, keys.mailer, receiver, with_addresses=True)
    receiver.answers.append(500)
    await say_stop(client, keys, ANN)
    await heard(receiver, 1)
    [address] = await service.database.pool.fetch("select bucket, address_key from address")
    sealed = service.vault.seal_sha256(address["address_key"], bytes.fromhex(sha256(ANN)))
    await service.database.pool.execute(
        "update address set canonical = null, as_written = null, sealed_sha256 = $1", sealed
    )
    [delivery] = await log_of(client, keys.mailer, made)
    url = f"/v1/brands/acme/endpoints/{made['endpoint_id']}/deliveries/{delivery['delivery_id']}"
    assert (await client.post(f"{url}/replay", headers=keys.mailer)).status < 300
    [_, data] = await heard(receiver, 2)
    [change] = data["changes"]
    assert (change["address"], change["sha256"]) == (None, sha256(ANN))


async def test_what_was_said_before_the_endpoint_was_added_is_not_told(client, keys, receiver):
    await say_stop(client, keys, ANN)
    await listen(client, keys.mailer, receiver)
    said = await say_stop(client, keys, BOB)
    [data] = await heard(receiver, 1)
    assert [one["opt_out_id"] for one in data["changes"]] == [said["opt_out_id"]]


async def test_a_sender_hears_of_its_own_channel_and_a_brands_endpoint_of_every(
    client, keys, receiver
):
    await listen(client, keys.mailer, receiver)
    async with receiving() as everything:
        await listen(client, keys.operator, everything)
        await say_stop(client, keys, ANNS_PHONE, channel="sms")
        await say_stop(client, keys, ANN)
        told = await heard(everything, 2)
        assert sorted((one["channel"], one["sender"]) for one in told) == [
            ("email", None),
            ("sms", None),
        ]
    [data] = await heard(receiver, 1)
    assert data["channel"] == "email"


async def test_no_brand_hears_of_another(client, keys, receiver, service):
    await listen(client, keys.operator, receiver)
    await record(service, act(service, ANN, brand="globex"))
    said = await say_stop(client, keys, BOB)
    [data] = await heard(receiver, 1)
    assert [one["opt_out_id"] for one in data["changes"]] == [said["opt_out_id"]]


async def test_what_another_process_recorded_is_told_too(
    client, keys, receiver, service, database_url
):
    await listen(client, keys.mailer, receiver)
    async with app.opened(service.settings, service.vault, database_url) as another:
        [made] = await record(another, act(another, ANN))
    [data] = await heard(receiver, 1)
    assert [one["opt_out_id"] for one in data["changes"]] == [str(made.event_id)]


@pytest.mark.parametrize("with_addresses", [False, True])
async def test_many_changes_are_shared_out_among_notices_that_stay_small(
    client, keys, receiver, service, with_addresses
):
    await listen(client, keys.mailer, receiver, with_addresses=with_addresses)
    people = [f"{'x' * 60}.{number}@{'long.' * 40}example.org" for number in range(120)]
    recorded = await record(service, *(act(service, one) for one in people))
    service.bell.ring(service.book.get("acme").brand_id)
    told = set()
    while len(told) < len(people):
        so_far = await heard(receiver, len(receiver.arrived) + 1 if told else 1)
        told = {change["opt_out_id"] for data in so_far for change in data["changes"]}
    assert told == {str(one.event_id) for one in recorded}
    assert max(len(one.body.encode()) for one in receiver.arrived) < BODY_BYTES_MAX


async def test_a_restored_register_is_told_and_the_next_change_after_it(
    client, keys, receiver, service
):
    await listen(client, keys.mailer, receiver)
    async with service.database.transaction() as tx:
        [history] = await tx.conn.fetchrow("select server_history from installation")
        await begin_epoch(tx, previous_history=history, history=history)
    [restarted] = await receiver.wait_for(1)
    assert restarted.document["type"] == "feed.restarted"
    assert "pull the suppressions again" in restarted.document["data"]["detail"]
    said = await say_stop(client, keys, ANN)
    [_, changed] = await receiver.wait_for(2)
    [change] = changed.document["data"]["changes"]
    assert change["opt_out_id"] == said["opt_out_id"]


async def told_at(client, keys, said):
    url = f"/v1/brands/acme/opt-outs/{said['opt_out_id']}"
    reply = await client.get(url, headers=keys.operator)
    [mailer] = [one for one in (await reply.json())["senders"] if one["sender"] == "mailer"]
    return mailer["told_at"]


async def all_delivered(client, headers, endpoint, count):
    async with asyncio.timeout(20):
        while True:
            states = [one["state"] for one in await log_of(client, headers, endpoint)]
            if states.count("delivered") == count:
                break
            await asyncio.sleep(0.02)  # the log is the only sign
        # Whom it told is written down after that.
        if tasks := [one for one in asyncio.all_tasks() if one.get_name() == "delivery"]:
            await asyncio.wait(tasks)


async def test_a_notice_that_arrived_has_told_its_sender(client, keys, receiver):
    made = await listen(client, keys.mailer, receiver)
    said = await say_stop(client, keys, ANN)
    await all_delivered(client, keys.mailer, made, 1)
    assert await told_at(client, keys, said)


async def test_what_arrived_has_arrived_though_it_cannot_be_noted_whom_it_told(
    client, keys, receiver, service
):
    made = await listen(client, keys.mailer, receiver)
    pool = service.database.pool
    faults = metrics.LOOP_FAULTS.labels("deliveries")._value.get()
    await pool.execute("alter table handover add constraint full_disk check (false) not valid")
    try:
        await say_stop(client, keys, ANN)
        await all_delivered(client, keys.mailer, made, 1)
    finally:
        await pool.execute("alter table handover drop constraint full_disk")
    assert len(receiver.arrived) == 1
    assert metrics.LOOP_FAULTS.labels("deliveries")._value.get() == faults + 1


async def test_a_brands_own_endpoint_tells_no_sender(client, keys, receiver):
    made = await listen(client, keys.operator, receiver)
    said = await say_stop(client, keys, ANN)
    await all_delivered(client, keys.operator, made, 1)
    assert await told_at(client, keys, said) is None


async def test_a_notice_tells_of_nothing_that_was_said_before_it(client, keys, receiver, service):
    first, second = (address_in(service, 5, number=n) for n in range(2))
    before = await say_stop(client, keys, first)
    made = await listen(client, keys.mailer, receiver)
    after = await say_stop(client, keys, second)
    await all_delivered(client, keys.mailer, made, 1)
    assert await told_at(client, keys, before) is None
    # Its own positions would say that all before was told, too; so it waits for the feed.
    assert await told_at(client, keys, after) is None


async def test_what_is_of_another_channel_is_no_hole(client, keys, receiver, service):
    bucket = act(service, ANNS_PHONE, channel="sms").recipient.bucket
    made = await listen(client, keys.mailer, receiver)
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    said = await say_stop(client, keys, address_in(service, bucket))
    await all_delivered(client, keys.mailer, made, 1)
    assert await told_at(client, keys, said)
