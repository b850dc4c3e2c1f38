from datetime import timedelta

import pytest

from tests.support.cast import ANN
from tests.support.lists import ACME, check, problem, say_start, say_stop


async def may_send(client, keys, **asked):
    [verdict] = await check(client, keys.mailer, ANN, **asked)
    return verdict["may_send"]


def earlier(service, **by):
    return (service.now() - timedelta(**by)).isoformat()


@pytest.mark.parametrize(
    "source", ["phone", "letter", "in_store", "preference_centre", "confirmation"]
)
async def test_the_persons_own_later_word_lifts(client, keys, source):
    await say_stop(client, keys, ANN)
    assert (await say_start(client, keys, ANN, source=source))["lifted"]
    assert await may_send(client, keys)


@pytest.mark.parametrize("source", ["import", "purchase", "form", "registration"])
async def test_nothing_else_ever_lifts(client, keys, source):
    """SEEDS 2."""
    await say_stop(client, keys, ANN)
    assert not (await say_start(client, keys, ANN, source=source))["lifted"]
    assert not await may_send(client, keys)


@pytest.mark.parametrize("source", ["import", "purchase", "form", "registration"])
async def test_nothing_else_holds_off_an_opt_out_that_arrives_late(client, keys, service, source):
    await say_start(client, keys, ANN, source=source)
    await say_stop(client, keys, ANN, received_at=earlier(service, days=1))
    assert not await may_send(client, keys)


async def test_an_opt_out_older_than_a_later_opt_in_does_not_suppress(client, keys, service):
    await say_start(client, keys, ANN)
    late = await say_stop(client, keys, ANN, sent_at=earlier(service, days=2))
    assert late["effect"] == "none"
    assert await may_send(client, keys)


async def test_an_opt_in_older_than_the_opt_out_lifts_nothing(client, keys, service):
    await say_stop(client, keys, ANN)
    assert not (await say_start(client, keys, ANN, sent_at=earlier(service, minutes=1)))["lifted"]
    assert not await may_send(client, keys)


async def test_an_opt_in_from_between_two_opt_outs_lifts_nothing(client, keys, service, clock):
    first = await say_stop(client, keys, ANN)
    clock.move(days=2)
    again = await say_stop(client, keys, ANN)
    assert again["opt_out_id"] == first["opt_out_id"]
    assert again["deadline_at"] == first["deadline_at"]
    assert not (await say_start(client, keys, ANN, sent_at=earlier(service, days=1)))["lifted"]
    assert not await may_send(client, keys)
    clock.move(days=1)
    assert (await say_start(client, keys, ANN))["lifted"]


async def test_a_claim_from_the_future_counts_from_now(client, keys, service, clock):
    await say_start(client, keys, ANN, sent_at=earlier(service, days=-30))
    clock.move(hours=1)
    assert (await say_stop(client, keys, ANN))["effect"] == "added"
    assert not await may_send(client, keys)


async def test_an_opt_in_to_a_topic_does_not_lift_a_wider_opt_out(client, keys):
    await say_stop(client, keys, ANN, scope="brand")
    await say_stop(client, keys, ANN, topic="news")
    assert (await say_start(client, keys, ANN, topic="news"))["lifted"]
    assert not await may_send(client, keys, topic="news")


async def test_an_opt_in_without_evidence_is_refused(client, keys):
    body = {"channel": "email", "address": ANN, "source": "phone", "evidence": {}}
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=body)
    assert await problem(reply) == (422, "evidence_missing")
    del body["evidence"]
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=body)
    assert await problem(reply) == (400, "invalid_body")


@pytest.mark.parametrize("source", ["undo", "sms_reply", "api", "one_click"])
async def test_a_door_of_ours_cannot_be_claimed_as_the_source(client, keys, source):
    body = {"channel": "email", "address": ANN, "source": source, "evidence": {"x": 1}}
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=body)
    assert await problem(reply) == (400, "invalid_body")


async def test_a_sender_may_not_record_opt_ins(client, keys):
    body = {"channel": "email", "address": ANN, "source": "phone", "evidence": {"x": 1}}
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.mailer, json=body)
    assert await problem(reply) == (403, "not_allowed")


async def test_an_opt_in_for_no_working_address_is_refused(client, keys):
    body = {"channel": "email", "address": "ann@@", "source": "phone", "evidence": {"x": 1}}
    reply = await client.post(f"{ACME}/opt-ins", headers=keys.operator, json=body)
    assert await problem(reply) == (422, "invalid_address")
    assert "ann" not in await reply.text()


async def test_a_backdated_opt_out_makes_the_deadline_earlier_and_never_later(
    client, keys, service
):
    now = await say_stop(client, keys, ANN)
    back = await say_stop(client, keys, ANN, received_at=earlier(service, days=3))
    again = await say_stop(client, keys, ANN, received_at=earlier(service, days=1))
    assert back["deadline_at"] < now["deadline_at"]
    assert again["deadline_at"] == back["deadline_at"]
    [verdict] = await check(client, keys.mailer, ANN)
    assert verdict["deadline_at"] == back["deadline_at"]
