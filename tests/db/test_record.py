import asyncio
from datetime import timedelta
from itertools import permutations

import pytest

from prefsvc import honour, opt_outs
from tests.support.cast import ANN, ANNS_PHONE
from tests.support.register import act, record, withdraw


async def events(service):
    return await service.database.pool.fetchval("select count(*) from preference_event")


async def is_suppressed(service):
    return await service.database.pool.fetchval("select bool_or(active) from suppression")


async def test_twenty_identical_opt_outs_at_once_are_one_event_at_one_position(service):
    made = await asyncio.gather(*[record(service, act(service, ANN)) for _ in range(20)])
    recorded = [one for [one] in made]
    assert sum(one.is_new for one in recorded) == 1
    assert len({(one.event_id, one.deadline_at) for one in recorded}) == 1
    assert await events(service) == 1
    assert await service.database.pool.fetchval("select sum(position)::int from feed_head") == 1


async def test_the_moments_of_opt_outs_at_once_may_be_out_of_order(service, clock):
    clock.stop(service.now())
    [first] = await record(service, act(service, ANN))
    clock.move(seconds=-2)
    [second] = await record(service, act(service, ANN))
    assert (second.is_new, second.event_id) == (False, first.event_id)
    assert await events(service) == 1


async def test_twenty_identical_opt_outs_in_one_batch_are_one_event(service):
    recorded = await record(service, *[act(service, ANN) for _ in range(20)])
    assert [one.is_new for one in recorded] == [True] + [False] * 19
    assert len({one.event_id for one in recorded}) == 1
    assert await events(service) == 1


async def test_a_keyed_request_is_recorded_once_at_once_and_in_a_batch(service):
    again = [act(service, ANN, idempotency_key="m1") for _ in range(10)]
    await asyncio.gather(*[record(service, one) for one in again], record(service, *again))
    assert await events(service) == 1


async def test_a_duplicate_in_the_same_batch_is_not_new(service):
    one = act(service, ANN, idempotency_key="m1")
    assert [r.is_new for r in await record(service, one, one)] == [True, False]


READ_TO_THE_END = """
    select relname from pg_stat_xact_user_tables where seq_scan > 0 and relname in
        ('address', 'evidence', 'feed_head', 'preference_event', 'suppression')
"""


@pytest.mark.parametrize("size", [1, 16, 100])
async def test_no_act_reads_the_register_from_end_to_end(service, size):
    # Nothing was ever analyzed here, so the planner takes every table for a small one.
    acts = [
        act(service, f"reader{n}@example.org", idempotency_key=f"m{n}" if n % 2 else None)
        for n in range(size)
    ]
    async with service.writing(service.book.get("acme")) as tx:
        await opt_outs.record(tx, service.vault, acts)
        await opt_outs.withdraw(tx, service.vault, acts)
        assert await tx.conn.fetch(READ_TO_THE_END) == []


DELIVERIES = ["stop m1", "stop m1", "start m2", "start m2"]


@pytest.mark.parametrize("order", sorted(set(permutations(DELIVERIES))))
async def test_duplicates_in_any_order_end_where_the_messages_do(service, clock, order):
    """With the times that the messages were sent, the order of arrival decides nothing."""
    clock.stop(service.now())
    sent = {"m1": service.now() - timedelta(hours=2), "m2": service.now() - timedelta(hours=1)}
    for delivery in order:
        word, key = delivery.split()
        one = act(service, ANN, source="sms_reply", idempotency_key=key, sent_at=sent[key])
        await (record if word == "stop" else withdraw)(service, one)
        clock.move(minutes=5)
    assert await events(service) == 2
    assert not await is_suppressed(service)


@pytest.mark.parametrize("order", sorted(set(permutations(["stop m1", "start m2", "stop m1"]))))
async def test_a_late_duplicate_without_times_changes_nothing(service, clock, order):
    """Without times the first arrival of each message is when it was said."""
    for delivery in order:
        word, key = delivery.split()
        one = act(service, ANN, source="sms_reply", idempotency_key=key)
        await (record if word == "stop" else withdraw)(service, one)
        clock.move(minutes=5)
    starts_first = order.index("start m2") == 0
    assert await is_suppressed(service) == starts_first


async def test_a_late_duplicate_start_does_not_reopen(service, clock):  # RULES S-20
    start = act(service, ANN, source="sms_reply", idempotency_key="m0")
    await withdraw(service, start)
    clock.move(minutes=5)
    await record(service, act(service, ANN, source="sms_reply", idempotency_key="m1"))
    clock.move(minutes=5)
    await withdraw(service, start)
    assert await is_suppressed(service)


async def test_stop_wins_when_both_were_said_at_the_same_moment(service, clock):
    clock.stop(service.now())
    one = act(service, ANN, source="sms_reply")
    await record(service, one)
    [start] = await withdraw(service, one)
    assert start.effect == "none"
    assert await is_suppressed(service)
    await service.database.pool.execute("delete from suppression")
    await withdraw(service, one)
    [stop] = await record(service, one)
    assert stop.effect == "added"


async def test_saying_it_again_keeps_the_first_deadline_and_is_remembered(service, clock):
    [first] = await record(service, act(service, ANN))
    clock.move(days=3)
    [again] = await record(service, act(service, ANN))
    assert (again.event_id, again.deadline_at) == (first.event_id, first.deadline_at)
    assert not again.is_new
    # The second time is evidence of its own.
    assert await events(service) == 2


async def test_all_scopes_and_channels_of_a_batch_commit_or_none(service):
    good = act(service, ANN)
    bad = act(service, ANNS_PHONE, channel="sms", reason="nonsense", source=None)
    with pytest.raises(Exception, match="null value"):
        await record(service, good, bad)
    assert await events(service) == 0
    assert await service.database.pool.fetchval("select count(*) from feed_head") == 0


async def test_the_deadline_is_the_earliest_and_is_explained(service):
    [recorded] = await record(service, act(service, ANN))
    row = await service.database.pool.fetchrow("select deadline_at, deadline from preference_event")
    assert row["deadline_at"] == recorded.deadline_at
    assert row["deadline"]
    window = honour.shortest_window(
        honour.rules_of(service.book.get("acme").brand.rules),
        service.book.get("acme").brand.promise("email"),
        channel="email",
    )
    assert recorded.deadline_at >= recorded.received_at + window


async def test_an_erased_address_that_speaks_again_is_not_restored(service):
    one = act(service, ANN)
    await record(service, one)
    sealed = service.vault.seal_sha256(one.recipient.address_key, one.recipient.address.sha256)
    await service.database.pool.execute(
        "update address set canonical = null, as_written = null, sealed_sha256 = $1, "
        "erased_at = now()",
        sealed,
    )
    await record(service, act(service, ANN, reason="complaint"))
    row = await service.database.pool.fetchrow("select canonical, as_written from address")
    assert tuple(row) == (None, None)


async def test_two_brands_say_it_apart(service):
    await record(service, act(service, ANN))
    await record(service, act(service, ANN, brand="globex"))
    rows = await service.database.pool.fetch("select brand_id, position from preference_event")
    assert sorted(row["position"] for row in rows) == [1, 1]
    assert len({row["brand_id"] for row in rows}) == 2
    assert await service.database.pool.fetchval("select count(*) from address") == 1
