import asyncio

from tests.support.cast import ANN, ANNS_PHONE, BOB

OPT_OUTS = "/v1/brands/acme/opt-outs"


async def post(client, keys, **body):
    return await client.post(
        OPT_OUTS, headers=keys.operator, json={"channel": "email", "address": ANN} | body
    )


async def check(client, keys, *addresses, **body):
    reply = await client.post(
        "/v1/brands/acme/check", headers=keys.mailer, json={"addresses": list(addresses)} | body
    )
    assert reply.status == 200, await reply.text()
    return (await reply.json())["results"]


async def test_an_opt_out_is_recorded_once(client, keys):
    first = await post(client, keys)
    again = await post(client, keys, address="  Ann@Example.ORG ")
    assert (first.status, again.status) == (201, 200)
    one, other = await first.json(), await again.json()
    assert (one["is_new"], other["is_new"]) == (True, False)
    assert one["opt_out_id"] == other["opt_out_id"]
    assert one["deadline_at"] == other["deadline_at"]


async def test_it_counts_at_once_and_for_nobody_else(client, keys):
    await post(client, keys)
    [ann, bob] = await check(client, keys, ANN, BOB)
    assert not ann["may_send"]
    assert ann["reason"] == "opt_out"
    assert bob == {"may_send": True}


async def test_twenty_at_once_make_one_opt_out(client, keys, service):
    replies = await asyncio.gather(*[post(client, keys) for _ in range(20)])
    bodies = [await reply.json() for reply in replies]
    assert sorted(reply.status for reply in replies) == [200] * 19 + [201]
    assert len({body["opt_out_id"] for body in bodies}) == 1
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 1


async def test_one_act_can_stop_every_address_of_a_person(client, keys):
    reply = await post(
        client, keys, scope="brand", also=[{"channel": "sms", "address": ANNS_PHONE}]
    )
    assert reply.status == 201
    body = await reply.json()
    assert [one["scope"] for one in [body, *body["also"]]] == ["brand", "brand"]
    sms = await client.post(
        "/v1/brands/acme/check", headers=keys.texter, json={"addresses": [ANNS_PHONE]}
    )
    assert not (await sms.json())["results"][0]["may_send"]
