import asyncio

import pytest

from prefsvc.work import loops
from tests.support.cast import ANN, BOB
from tests.support.lists import ACME, problem

STOP = {"channel": "email", "address": ANN}
START = STOP | {"source": "phone", "evidence": {"call": "7"}}


async def post(client, headers, body=STOP, *, key='"request-1"', path="opt-outs"):
    return await client.post(
        f"{ACME}/{path}", headers=headers | {"Idempotency-Key": key}, json=body
    )


async def events(service):
    return await service.database.pool.fetchval("select count(*) from preference_event")


@pytest.mark.parametrize(("path", "body"), [("opt-outs", STOP), ("opt-ins", START)])
async def test_a_retry_has_one_effect_and_gets_the_same_answer(client, keys, service, path, body):
    first = await post(client, keys.operator, body, path=path)
    again = await post(client, keys.operator, body, path=path)
    assert (first.status, again.status) == (201, 201)
    assert await first.json() == await again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await events(service) == 1


@pytest.mark.parametrize(("path", "body"), [("opt-outs", STOP), ("opt-ins", START)])
async def test_retries_at_once_have_one_effect_and_the_same_answer(
    client, keys, service, path, body
):
    replies = await asyncio.gather(
        *[post(client, keys.operator, body, path=path) for _ in range(12)]
    )
    assert {reply.status for reply in replies} == {201}
    first, *others = [await reply.json() for reply in replies]
    assert others == [first] * 11
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1
    assert await events(service) == 1


async def test_a_late_retry_of_a_stop_does_not_undo_a_start(client, keys, service):
    await post(client, keys.operator)
    await post(client, keys.operator, START, key="request-2", path="opt-ins")
    assert (await post(client, keys.operator)).headers["Idempotent-Replayed"] == "true"
    assert await events(service) == 2
    assert not await service.database.pool.fetchval("select bool_or(active) from suppression")


async def test_another_request_under_the_same_key_is_refused(client, keys, service):
    await post(client, keys.operator)
    reply = await post(client, keys.operator, STOP | {"address": BOB})
    assert await problem(reply) == (422, "idempotency_key_reused")
    reply = await post(client, keys.operator, START, path="opt-ins")
    assert await problem(reply) == (422, "idempotency_key_reused")
    assert await events(service) == 1


async def test_other_requests_under_the_same_key_at_once_have_one_effect(client, keys, service):
    replies = await asyncio.gather(
        *[post(client, keys.operator, STOP | {"address": f"p{n}@example.org"}) for n in range(8)]
    )
    assert sorted(reply.status for reply in replies) == [201] + [422] * 7
    assert await events(service) == 1


async def test_a_key_is_its_callers_own(client, keys, service):
    one = await post(client, keys.operator)
    other = await post(client, keys.mailer)
    assert (one.status, other.status) == (201, 200)
    assert "Idempotent-Replayed" not in other.headers


async def test_the_same_key_quoted_or_bare_is_one_key(client, keys):
    await post(client, keys.operator, key='"request-1"')
    reply = await post(client, keys.operator, key="request-1")
    assert reply.headers["Idempotent-Replayed"] == "true"


async def test_a_refusal_is_not_kept(client, keys):
    reply = await post(client, keys.operator, STOP | {"address": "@"})
    assert await problem(reply) == (422, "invalid_address")
    assert (await post(client, keys.operator)).status == 201


async def test_an_answer_is_kept_as_long_as_promised_and_then_forgotten(
    client, keys, service, clock
):
    first = await (await post(client, keys.operator)).json()
    hours = service.settings.idempotency_hours
    clock.move(hours=hours, minutes=-1)
    await loops.housekeeping(service)()
    again = await post(client, keys.operator)
    assert (again.headers["Idempotent-Replayed"], await again.json()) == ("true", first)
    clock.move(minutes=2)
    await loops.housekeeping(service)()
    anew = await post(client, keys.operator)
    assert "Idempotent-Replayed" not in anew.headers
    # Forgotten is the answer, never the opt-out.
    assert (anew.status, (await anew.json())["opt_out_id"]) == (200, first["opt_out_id"])


@pytest.mark.parametrize("key", ["", '""', '"a', "a b", '"a" "b"', "x" * 256, "ümlaut"])
async def test_a_malformed_key_is_refused(client, keys, service, key):
    reply = await post(client, keys.operator, key=key)
    assert await problem(reply) == (400, "invalid_parameter")
    assert await events(service) == 0


@pytest.mark.parametrize("key", ["x" * 255, '"two words"', "0199f3a2-7c1e-7b1f-9d6a-2f41c0a8e511"])
async def test_any_other_key_is_good(client, keys, key):
    assert (await post(client, keys.operator, key=key)).status == 201
