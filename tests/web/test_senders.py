from datetime import datetime, timedelta

import pytest

from prefsvc import errors, installation
from prefsvc.work.alarms import raise_alarms
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import ACME, Follower, problem, say_start, say_stop, snapshot
from tests.support.watched import add_endpoint


async def every_sender(client, headers):
    reply = await client.get(f"{ACME}/senders", headers=headers)
    assert reply.status == 200, await reply.text()
    return await reply.json()


async def sender(client, keys, name="mailer"):
    document = await every_sender(client, keys.operator)
    [found] = [one for one in document["senders"] if one["sender"] == name]
    return found


async def acknowledge(client, headers, cursor):
    reply = await client.post(
        f"{ACME}/feed/acknowledgements", headers=headers, json={"cursor": cursor}
    )
    assert reply.status == 200, await reply.text()


async def catch_up(client, keys):
    follower = await Follower(client, keys.mailer).catch_up()
    await acknowledge(client, keys.mailer, follower.cursor)
    return follower


async def shortest_window(client, keys):
    """Return the least time in which an opt-out could fall due: as long as a list is good."""
    page = await Follower(client, keys.operator, {"channel": "email"}).page()
    as_of, valid_until = (datetime.fromisoformat(page[name]) for name in ("as_of", "valid_until"))
    return valid_until - as_of


async def begin_another_history(service):
    async with service.database.transaction() as tx:
        history = await tx.conn.fetchval("select server_history from installation")
        await installation.begin_epoch(tx, previous_history=history, history="another/1")


async def test_a_new_sender_has_heard_nothing(client, keys):
    assert await sender(client, keys) == {
        "sender": "mailer",
        "channel": "email",
        "told_at": None,
        "acknowledged_at": None,
        "acknowledged_position_count": 0,
        "cursor": None,
        "state": "never_heard",
        "owed_count": 0,
        "next_target_at": None,
        "next_deadline_at": None,
    }


async def test_it_shows_how_far_each_has_heard_and_what_it_owes(client, keys):
    await say_stop(client, keys, ANN)
    follower = await catch_up(client, keys)
    said = await say_stop(client, keys, BOB)
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    document = await every_sender(client, keys.operator)
    mailer = await sender(client, keys)
    assert document["position_count"] == 3
    assert (mailer["acknowledged_position_count"], mailer["cursor"]) == (1, follower.cursor)
    assert (mailer["owed_count"], mailer["state"]) == (1, "clear")
    assert mailer["next_deadline_at"] == said["deadline_at"]
    assert mailer["next_target_at"] < mailer["next_deadline_at"]
    assert (await sender(client, keys, "texter"))["owed_count"] == 1


async def test_a_lifted_opt_out_was_owed_and_an_opt_in_is_not(client, keys):
    await catch_up(client, keys)
    await say_stop(client, keys, ANN)
    await say_start(client, keys, ANN)
    assert (await sender(client, keys))["owed_count"] == 1


async def states_around(client, keys, clock, name, moments):
    """Return a sender's state just before each of these moments, and at it."""
    seen = []
    for at in moments:
        for by in (timedelta(microseconds=-1), timedelta(0)):
            clock.stop(at + by)
            seen.append((await sender(client, keys, name))["state"])
    return seen


async def test_it_passes_from_state_to_state_as_time_goes_by_and_is_clear_again(
    client, keys, clock
):
    follower = await catch_up(client, keys)
    said = await say_stop(client, keys, ANN)
    deadline = datetime.fromisoformat(said["deadline_at"])
    target = datetime.fromisoformat((await sender(client, keys))["next_target_at"])
    moments = [target, deadline, deadline + timedelta(days=400)]
    assert await states_around(client, keys, clock, "mailer", moments) == [
        "clear", "past_target", "past_target", "overdue", "overdue", "overdue",
    ]  # fmt: skip
    await follower.catch_up()
    assert (await sender(client, keys))["state"] == "overdue"
    await acknowledge(client, keys.mailer, follower.cursor)
    assert (await sender(client, keys))["state"] == "clear"


async def test_without_a_target_it_is_due_soon_when_half_of_the_window_is_over(client, keys, clock):
    page = await Follower(client, keys.texter).page()
    await acknowledge(client, keys.texter, page["cursor"])
    said = await say_stop(client, keys, ANNS_PHONE, channel="sms")
    received, deadline = (datetime.fromisoformat(said[at]) for at in ("received_at", "deadline_at"))
    half = received + (deadline - received) / 2
    assert (await sender(client, keys, "texter"))["next_target_at"] is None
    assert await states_around(client, keys, clock, "texter", [half, deadline]) == [
        "clear", "due_soon", "due_soon", "overdue",
    ]  # fmt: skip


async def test_a_new_sender_has_a_window_to_hear_of_what_was_said_before_it_came(
    client, keys, service
):
    long_ago = (service.now() - timedelta(days=300)).isoformat()
    said = await say_stop(client, keys, ANN, source="letter", received_at=long_ago)
    assert datetime.fromisoformat(said["deadline_at"]) < service.now() - timedelta(days=200)
    mailer = await sender(client, keys)
    assert mailer["state"] == "never_heard"
    window = await shortest_window(client, keys)
    due = datetime.fromisoformat(mailer["next_deadline_at"])
    assert window - timedelta(minutes=1) < due - service.now() <= window
    await catch_up(client, keys)
    assert (await sender(client, keys))["state"] == "clear"


async def test_who_has_acknowledged_before_has_no_such_window(client, keys, service):
    await catch_up(client, keys)
    long_ago = (service.now() - timedelta(days=300)).isoformat()
    said = await say_stop(client, keys, ANN, source="letter", received_at=long_ago)
    mailer = await sender(client, keys)
    assert (mailer["state"], mailer["next_deadline_at"]) == ("overdue", said["deadline_at"])


async def test_another_history_gives_everybody_a_window_again(client, keys, service, clock):
    await say_stop(client, keys, ANN)
    await catch_up(client, keys)
    clock.move(days=90)
    await begin_another_history(service)
    mailer = await sender(client, keys)
    assert (mailer["state"], mailer["owed_count"], mailer["told_at"]) == ("never_heard", 1, None)
    window = await shortest_window(client, keys)
    due = datetime.fromisoformat(mailer["next_deadline_at"])
    assert window - timedelta(minutes=1) < due - service.now() <= window


async def test_a_page_tells_and_an_empty_page_does_not(client, keys, clock):
    clock.stop(clock())
    follower = Follower(client, keys.mailer)
    await follower.catch_up()
    assert (await sender(client, keys))["told_at"] is None
    await say_stop(client, keys, ANN)
    await follower.catch_up()
    told_at = (await sender(client, keys))["told_at"]
    assert datetime.fromisoformat(told_at) == clock()
    clock.move(hours=1)
    await follower.catch_up()
    assert (await sender(client, keys))["told_at"] == told_at


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_a_snapshot_tells(client, keys, form):
    await say_stop(client, keys, ANN)
    await snapshot(client, keys.mailer, format=form)
    assert (await sender(client, keys))["told_at"]
    assert (await sender(client, keys))["state"] == "never_heard"


async def test_neither_an_operators_look_nor_a_head_request_tells_anybody(client, keys):
    await say_stop(client, keys, ANN)
    for headers in (keys.operator, keys.house):
        await Follower(client, headers, {"channel": "email"}).catch_up()
        await snapshot(client, headers, channel="email")
    for path in ("feed", "suppressions"):
        await client.head(f"{ACME}/{path}", headers=keys.mailer)
    assert (await sender(client, keys))["told_at"] is None


async def test_a_page_is_given_though_it_cannot_be_noted(client, keys, service):
    await say_stop(client, keys, ANN)
    await service.database.pool.execute("alter table handover rename to elsewhere")
    try:
        page = await Follower(client, keys.mailer).page()
    finally:
        await service.database.pool.execute("alter table elsewhere rename to handover")
    assert len(page["changes"]) == 1


async def test_asking_changes_nothing(client, keys):
    await say_stop(client, keys, ANN)
    assert await every_sender(client, keys.operator) == await every_sender(client, keys.house)


async def test_a_brands_senders_are_its_own(client, keys):
    for headers in (keys.globex_operator, keys.globex_mailer, keys.mailer):
        reply = await client.get(f"{ACME}/senders", headers=headers)
        assert await problem(reply) == (403, "not_allowed")


async def retire(service, name="mailer"):
    await service.retire_sender(service.book.get("acme"), name)


async def test_for_a_retired_sender_nobody_waits_any_more(client, keys, service, clock):
    await say_stop(client, keys, ANN)
    clock.move(days=60)
    await retire(service)
    names = [one["sender"] for one in (await every_sender(client, keys.operator))["senders"]]
    assert names == ["texter"]
    await raise_alarms(service)
    reply = await client.get(f"{ACME}/alarms", headers=keys.operator)
    assert (await reply.json())["alarms"] == []
    reply = await client.get(f"{ACME}/senders/mailer/clearance", headers=keys.operator)
    clearance = await reply.json()
    assert not clearance["clearance"]
    assert "retired" in clearance["missing"]


async def test_a_retired_sender_is_let_in_and_told_no_more(client, keys, service):
    await add_endpoint(service, "suppression", sender="mailer")
    await retire(service)
    reply = await client.get(f"{ACME}/feed", headers=keys.mailer)
    assert await problem(reply) == (401, "invalid_api_key")
    reply = await client.get(f"{ACME}/endpoints", headers=keys.operator)
    [endpoint] = (await reply.json())["endpoints"]
    assert "retired" in endpoint["disabled_why"]
    with pytest.raises(errors.UnknownSender):
        await retire(service)


async def test_what_a_sender_heard_before_it_was_retired_stays_on_record(client, keys, service):
    before = await say_stop(client, keys, ANN)
    await catch_up(client, keys)
    await retire(service)
    after = await say_stop(client, keys, BOB)
    for said, heard in ((before, ["acknowledged"]), (after, [])):
        reply = await client.get(f"{ACME}/opt-outs/{said['opt_out_id']}", headers=keys.operator)
        assert [one["state"] for one in (await reply.json())["senders"]] == heard
