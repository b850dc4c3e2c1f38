from datetime import datetime, timedelta

from prefsvc import installation
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import ACME, Follower, problem, say_start, say_stop


async def clearance(client, headers, sender="mailer"):
    reply = await client.get(f"{ACME}/senders/{sender}/clearance", headers=headers)
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def catch_up(client, headers, follower):
    await follower.catch_up()
    reply = await client.post(
        f"{ACME}/feed/acknowledgements", headers=headers, json={"cursor": follower.cursor}
    )
    assert reply.status == 200


async def test_who_never_acknowledged_has_none(client, keys):
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["valid_until"]) == (False, None)
    assert "never acknowledged" in given["missing"]
    assert (given["state"], given["cursor"]) == ("never_heard", None)


async def test_who_has_heard_everything_has_it_until_its_list_is_old(client, keys):
    await say_stop(client, keys, ANN)
    await catch_up(client, keys.mailer, Follower(client, keys.mailer))
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["missing"], given["owed_count"]) == (True, None, 0)
    assert given["as_of"] < given["valid_until"]


async def test_it_is_for_the_list_that_was_acknowledged(client, keys):
    follower = Follower(client, keys.mailer)
    await catch_up(client, keys.mailer, follower)
    acknowledged = follower.cursor
    await say_stop(client, keys, ANN)
    await follower.catch_up()
    assert (await clearance(client, keys.mailer))["cursor"] == acknowledged


async def test_who_never_acknowledged_has_none_though_nothing_is_due_yet(client, keys):
    await say_stop(client, keys, ANN)
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["owed_count"]) == (False, 1)


async def test_what_is_not_due_yet_shortens_it_and_takes_it_away_when_due(client, keys, clock):
    follower = Follower(client, keys.mailer)
    await catch_up(client, keys.mailer, follower)
    said = await say_stop(client, keys, ANN)
    deadline = datetime.fromisoformat(said["deadline_at"])
    clock.stop(deadline - timedelta(seconds=1))
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["owed_count"], given["state"]) == (True, 1, "past_target")
    assert given["next_deadline_at"] == given["valid_until"] == said["deadline_at"]
    clock.stop(deadline)
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["valid_until"]) == (False, None)
    assert (given["owed_count"], given["state"]) == (1, "overdue")
    assert f"fell due at {deadline:%Y-%m-%d %H:%M} UTC" in given["missing"]


async def test_catching_up_gives_it_back(client, keys, clock):
    follower = Follower(client, keys.mailer)
    await catch_up(client, keys.mailer, follower)
    await say_stop(client, keys, ANN)
    await say_stop(client, keys, BOB)
    clock.move(days=60)
    assert (await clearance(client, keys.mailer))["state"] == "overdue"
    await catch_up(client, keys.mailer, follower)
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["owed_count"], given["state"]) == (True, 0, "clear")


async def test_reading_without_acknowledging_is_not_enough(client, keys, clock):
    follower = Follower(client, keys.mailer)
    await catch_up(client, keys.mailer, follower)
    await say_stop(client, keys, ANN)
    clock.move(days=60)
    await follower.catch_up()
    assert not (await clearance(client, keys.mailer))["clearance"]


async def test_a_sender_owes_for_its_own_channel_alone(client, keys, clock):
    await catch_up(client, keys.mailer, Follower(client, keys.mailer))
    await catch_up(client, keys.texter, Follower(client, keys.texter))
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    clock.move(days=60)
    assert (await clearance(client, keys.mailer))["clearance"]
    assert not (await clearance(client, keys.texter, "texter"))["clearance"]


async def test_an_opt_in_is_owed_to_nobody(client, keys, clock):
    follower = Follower(client, keys.mailer)
    await say_stop(client, keys, ANN)
    await catch_up(client, keys.mailer, follower)
    await say_start(client, keys, ANN)
    clock.move(days=60)
    assert (await clearance(client, keys.mailer))["owed_count"] == 0


async def test_a_backdated_opt_out_is_overdue_at_once(client, keys, service):
    await catch_up(client, keys.mailer, Follower(client, keys.mailer))
    long_ago = (service.now() - timedelta(days=60)).isoformat()
    await say_stop(client, keys, ANN, source="letter", received_at=long_ago)
    given = await clearance(client, keys.mailer)
    assert (given["clearance"], given["state"]) == (False, "overdue")


async def test_after_a_restore_nobody_has_it(client, keys, service):
    await catch_up(client, keys.mailer, Follower(client, keys.mailer))
    async with service.database.transaction() as tx:
        [history] = await tx.conn.fetchrow("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")
    given = await clearance(client, keys.mailer)
    assert not given["clearance"]
    assert "restored" in given["missing"]
    await catch_up(client, keys.mailer, Follower(client, keys.mailer))
    assert (await clearance(client, keys.mailer))["clearance"]


async def test_an_operator_sees_every_sender(client, keys):
    assert not (await clearance(client, keys.operator, "mailer"))["clearance"]
    assert not (await clearance(client, keys.house, "texter"))["clearance"]
    reply = await client.get(f"{ACME}/senders", headers=keys.operator)
    assert [one["sender"] for one in (await reply.json())["senders"]] == ["mailer", "texter"]


async def test_a_sender_sees_itself_alone(client, keys):
    for sender in ("texter", "nobody"):
        reply = await client.get(f"{ACME}/senders/{sender}/clearance", headers=keys.mailer)
        assert await problem(reply) == (403, "not_allowed")
    reply = await client.get(f"{ACME}/senders", headers=keys.mailer)
    assert await problem(reply) == (403, "not_allowed")


async def test_a_sender_that_is_not_there_is_said_to_be_unknown(client, keys):
    reply = await client.get(f"{ACME}/senders/nobody/clearance", headers=keys.operator)
    assert await problem(reply) == (404, "unknown_sender")
